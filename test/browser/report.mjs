// Opens the auditors' report as a file, as auditors do, and prints it.
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { accessible, launch, settings } from "./chromium.mjs";

const browser = await launch();

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
        await accessible(page, `${name}, ${size}, ${colorScheme}`, ["minor", "moderate", "serious", "critical"]);
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
