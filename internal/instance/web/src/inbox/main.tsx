import { render } from "preact";
import { App } from "./app";
import "./inbox.css";
import { language, words } from "./words";

document.documentElement.lang = language;
document.title = words.title;
render(<App />, document.body);
