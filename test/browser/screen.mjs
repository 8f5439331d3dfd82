// Notes when the staff's list is on the screen after the page was opened, and when each message is, while guests write. It prints
// "ready", and what it saw once it reads a line.
import { createInterface } from "node:readline";
import { launch, settings } from "./chromium.mjs";

const loads = 10;
const browser = await launch();

/** painted notes when a page's list has rows, in milliseconds since it was navigated to: after the frame that has them. */
function painted() {
  window.useful = new Promise((done) => {
    const look = () => document.querySelector("nav li") !== null && (observer.disconnect(), afterPaint(() => done(performance.now())));
    const afterPaint = (then) => requestAnimationFrame(() => { const { port1, port2 } = new MessageChannel(); port1.onmessage = then; port2.postMessage(null); });
    const observer = new MutationObserver(look);
    observer.observe(document, { childList: true, subtree: true });
  });
}

/** watch notes when each message is on the screen. */
function watch() {
  window.seen = { thread: {}, list: {} };
  let waits = false;
  const note = (place, elements) => {
    for (const element of elements) {
      const marker = /m\d{6}/.exec(element.textContent)?.[0];
      if (marker) fresh.push([place, marker]);
    }
  };
  let fresh = [];
  const drawn = new MessageChannel();
  drawn.port1.onmessage = () => { // the frame was handed over
    const now = performance.timeOrigin + performance.now();
    waits = false;
    for (const [place, marker] of fresh) window.seen[place][marker] ??= now;
    fresh = [];
  };
  new MutationObserver(() => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      note("list", document.querySelectorAll("nav li .preview"));
      note("thread", document.querySelectorAll(".message.in .words"));
      drawn.port2.postMessage(null);
    });
  }).observe(document.body, { childList: true, characterData: true, subtree: true });
}

async function context(options = {}) {
  const made = await browser.newContext({ ignoreHTTPSErrors: true, locale: "en-GB", viewport: { width: 1440, height: 900 }, ...options });
  await made.addInitScript(painted);
  return made;
}

async function paint(page) {
  await page.goto(`${settings.origin}/inbox/`);
  return page.evaluate(() => Promise.race([window.useful, new Promise((_, fail) => setTimeout(fail, 30_000, new Error("the list does not come")))]));
}

/** cold opens the page in a browser that has the session and nothing else. */
async function cold() {
  const fresh = await context({ storageState });
  const took = await paint(await fresh.newPage());
  await fresh.close();
  return took;
}

const first = await context();
const page = await first.newPage();
page.on("pageerror", (error) => console.error(String(error)));
page.on("requestfailed", (request) => console.error(request.url(), request.failure()?.errorText));
page.setDefaultTimeout(20_000);
await page.goto(`${settings.origin}/inbox/`);
await page.getByLabel("E-mail").fill(settings.email);
await page.getByLabel("Password").fill(settings.password);
await page.getByRole("button", { name: "Sign in" }).click();
await page.locator("nav li").first().waitFor();
const storageState = await first.storageState();
const paints = { cold: [], again: [] };
for (let i = 0; i < loads; i++) paints.cold.push(await cold());
for (let i = 0; i < loads; i++) paints.again.push(await paint(page));
await page.getByRole("searchbox").fill(settings.guest.slice(1));
await page.waitForFunction(() => document.querySelectorAll("nav li").length === 1);
await page.locator("nav li button").click();
await page.getByRole("log").getByText("Good morning.").first().waitFor();
await page.getByRole("searchbox").fill("");
await page.waitForFunction(() => document.querySelectorAll("nav li").length === 50);
await page.evaluate(watch);
console.log("ready");
for await (const _ of createInterface(process.stdin)) break;
try {
  await page.waitForFunction((last) => last.every((m) => m in window.seen.list) && last[0] in window.seen.thread, settings.last); // the first guest's thread is open
} catch {
  console.error("the list lacks", await page.evaluate((last) => last.filter((m) => !(m in window.seen.list)), settings.last));
  console.error("and shows", await page.locator("nav").innerText());
}
console.log(JSON.stringify({ paints, ...(await page.evaluate(() => window.seen)) }));
await browser.close();
process.exit();
