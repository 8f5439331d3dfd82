// Signs staff in by their directory, as its own page and the tenant's have it, in a browser that keeps cookies as browsers do.
import assert from "node:assert/strict";
import { accessible, launch, play, settings } from "./chromium.mjs";

const browser = await launch();

async function open(locale = "en-GB") {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const wrong = [];
  page.on("console", (message) => { if (message.type() === "error" && !message.location().url.startsWith(settings.directory) && !/401/.test(message.text())) wrong.push(message.text()); });
  page.on("pageerror", (error) => wrong.push(String(error)));
  await page.goto(`${settings.origin}/inbox/`);
  return { context, page, wrong };
}

/** enter is what somebody does on the directory's own page. */
async function enter(page, username) {
  await page.waitForURL((url) => url.origin === settings.directory);
  await page.getByLabel("Username").fill(username);
  await page.getByLabel("Password").fill(settings.password);
  await page.getByRole("button", { name: "Login" }).click();
  await page.waitForURL((url) => url.origin === settings.origin);
}

const tests = {
  async "staff sign in by the directory, and nothing of it stays in the page"() {
    const a = await open();
    const button = a.page.getByRole("button", { name: "Sign in with Directory" });
    await button.waitFor();
    await a.page.getByLabel("E-mail").waitFor();
    await accessible(a.page, "the sign-in with a provider");
    await a.page.screenshot({ path: `${settings.output}/sign-in-provider.png` });
    // A socket that is still being opened would be refused once the session has ended, which Chromium complains of. It is waited for from
    // here on, as whoever asks later may have missed it.
    const heard = a.page.waitForEvent("websocket").then((socket) => socket.waitForEvent("framereceived"));
    heard.catch(() => {}); // told where it is waited for
    await button.click();
    await enter(a.page, "eva");
    await a.page.getByRole("button", { name: "Sign out" }).waitFor();
    assert.equal(a.page.url(), `${settings.origin}/inbox/`);
    const cookies = await a.context.cookies(settings.origin);
    const session = cookies.find((c) => c.name === "__Host-switchboard-session");
    assert.ok(session?.httpOnly && session.secure && session.sameSite === "Strict", JSON.stringify(cookies));
    assert.ok(!cookies.some((c) => c.name === "__Host-switchboard-sign-in"), "the attempt stays");
    await heard;
    await a.page.getByRole("button", { name: "Sign out" }).click();
    await button.waitFor();
    assert.deepEqual(a.wrong, []);
  },

  async "whoever is not let in reads why, in their language"() {
    const a = await open("de-DE");
    await a.page.getByRole("button", { name: "Anmelden mit Directory" }).click();
    await enter(a.page, "noor");
    await a.page.getByRole("status").getByText("gibt es hier kein Konto").waitFor();
    assert.equal(a.page.url(), `${settings.origin}/inbox/`);
    await a.page.screenshot({ path: `${settings.output}/sign-in-unknown.png` });
    await a.page.goto(`${settings.origin}/inbox/#sign-in=<img src=x onerror=1>`);
    await a.page.reload();
    await a.page.getByRole("button", { name: "Anmelden mit Directory" }).waitFor();
    assert.deepEqual(a.wrong, []);
  },
};

await play(browser, tests);
