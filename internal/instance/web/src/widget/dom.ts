type Attributes = Record<string, string | number | boolean | ((event: never) => void) | undefined>;
type Child = Node | string | false | undefined;

/** h makes an element. Texts become text and never markup; functions listen. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value as EventListener);
    else set(element, name, value);
  }
  element.append(...children.filter((c): c is Node | string => c !== undefined && c !== false));
  return element;
}

/** set sets an attribute; false and undefined take it away. */
export function set(element: Element, name: string, value: string | number | boolean | undefined) {
  if (value === false || value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : String(value));
}

/** say sets a text, unless it is that already: a screen reader would read it again. */
export function say(element: Element, text: string) {
  if (element.textContent !== text) element.textContent = text;
}

/** icon draws a path in a square of 24. */
export function icon(path: string): SVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
