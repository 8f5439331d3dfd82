// Opens the auditors' report as a file, as auditors do, and prints it.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const settings = JSON.parse(process.env.SETTINGS);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
await mkdir(settings.output, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

/** accessible runs axe in a world of its own, which the page's policy does not bind. */
async function accessible(page, what) {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId: contextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
  const expression = `${axe}; axe.run(document).then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html).join(" ")))`;
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", { expression, contextId, awaitPromise: true, returnByValue: true });
  assert.equal(exceptionDetails, undefined);
  assert.deepEqual(result.value, [], `axe on ${what}`);
}

try {
  for (const name of settings.pages) {
    const context = await browser.newContext({ locale: "en-GB" });
    const page = await context.newPage();
    const asked = [];
    const wrong = [];
    page.on("request", (request) => asked.push(request.url()));
    page.on("console", (message) => wrong.push(message.text()));
    page.on("pageerror", (error) => wrong.push(String(error)));
    const address = pathToFileURL(`${settings.folder}/${name}.html`).href;
    await page.goto(address);
    assert.match(await page.title(), /^Audit report: hotel-berlin/);
    const ink = await page.evaluate(() => getComputedStyle(document.body).fontFamily);
    assert.match(ink, /system-ui/, "the page's own style was refused");
    for (const [size, viewport] of Object.entries({ phone: { width: 390, height: 844 }, desktop: { width: 1200, height: 1000 } })) {
      for (const colorScheme of ["light", "dark"]) {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme });
        await accessible(page, `${name}, ${size}, ${colorScheme}`);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is wider than a ${size}`);
        await page.screenshot({ path: `${settings.output}/report-${name}-${size}-${colorScheme}.png` });
      }
    }
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    const print = await page.evaluate(() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector("nav")).display]);
    assert.deepEqual(print, ["rgb(0, 0, 0)", "rgb(255, 255, 255)", "none"], "on paper it is not black on white");
    await page.setViewportSize({ width: 680, height: 960 }); // A4 less its margins
    await page.screenshot({ path: `${settings.output}/report-${name}-print.png`, fullPage: true });
    const pdf = await page.pdf({ path: `${settings.output}/report-${name}.pdf`, preferCSSPageSize: true });
    const sheets = pdf.toString("latin1").match(/\/Type\s*\/Page\b/g)?.length ?? 0;
    assert.ok(sheets >= 4, `${name} is printed on ${sheets} sheets`);
    assert.deepEqual(asked, [address], "it asked for something else");
    assert.deepEqual(wrong, []);
    await context.close();
    console.log(`ok: ${name}, ${sheets} sheets`);
  }
} finally {
  await browser.close();
}
