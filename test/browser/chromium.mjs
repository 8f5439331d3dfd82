// What the scripts of this folder share: their settings, the browser, axe, and the tests' run.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

/** settings come from the Go test that runs the script. */
export const settings = JSON.parse(process.env.SETTINGS);

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
if (settings.output) await mkdir(settings.output, { recursive: true });

export const launch = (...args) => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", ...args] });

/** accessible has axe find nothing of the impacts on a page, and gives what it looked at. It runs in a world of its own, which the page's policy does not bind. */
export async function accessible(page, what, impacts = ["serious", "critical"]) {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId: contextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
  const expression = `${axe}; axe.run(document).then((r) => ({
    bad: r.violations.filter((v) => ${JSON.stringify(impacts)}.includes(v.impact)).map((v) => v.id + ": " + v.nodes.map((n) => n.html + n.failureSummary).join(" ")),
    seen: r.passes.flatMap((p) => p.nodes.map((n) => String(n.target))),
  }))`;
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", { expression, contextId, awaitPromise: true, returnByValue: true });
  assert.equal(exceptionDetails, undefined);
  assert.deepEqual(result.value.bad, [], `axe on ${what}`);
  return result.value.seen;
}

/** emptied waits until nothing is left of what was typed into a field: what was sent may be shown before its answer has come. */
export const emptied = (field) => field.evaluate((element) => new Promise((done) => {
  const look = () => (element.value === "" ? done() : requestAnimationFrame(look));
  look();
}));

/** play runs the tests whose name matches $ONLY, one after the other, and ends the script. */
export async function play(browser, tests, afterFailure = () => {}) {
  const only = new RegExp(process.env.ONLY ?? "");
  const wanted = Object.entries(tests).filter(([name]) => only.test(name));
  let failed = wanted.length === 0;
  if (failed) console.log(`FAILED: no test's name matches ${only}`);
  for (const [name, test] of wanted) {
    try {
      await test();
      console.log(`ok ${name}`);
    } catch (error) {
      failed = true;
      console.log(`FAILED ${name}\n${error.stack}`);
      await afterFailure();
    }
  }
  await browser.close();
  process.exit(failed ? 1 : 0);
}
