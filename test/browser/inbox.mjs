// Uses the staff's page as staff do, in two browsers, and as those would who mean harm.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { accessible, emptied, launch, play, settings } from "./chromium.mjs";

const browser = await launch();

async function step(query) {
  const response = await fetch(`${settings.steps}/?${new URLSearchParams(query)}`, { method: "POST" });
  const answer = Buffer.from(await response.arrayBuffer());
  assert.ok(response.ok, answer.toString());
  return answer;
}

/** open gives a browser of its own with the page, in which nothing may break the page's policy or fail. */
async function open(options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: "en-GB", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const elsewhere = [];
  const wrong = [];
  page.on("request", (request) => { if (new URL(request.url()).host !== new URL(settings.origin).host) elsewhere.push(request.url()); });
  page.on("console", (message) => { if (message.type() === "error" && !/401|403|409|422/.test(message.text())) wrong.push(message.text()); });
  page.on("pageerror", (error) => wrong.push(String(error)));
  await page.goto(`${settings.origin}/inbox/`);
  return { context, page, elsewhere, wrong };
}

async function signIn(page) {
  await page.getByLabel("E-mail").fill(settings.email);
  await page.getByLabel("Password").fill(settings.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

const tests = {
  async "staff sign in, read, answer, and see at once what comes"() {
    const a = await open();
    await a.page.getByLabel("E-mail").fill(settings.email);
    await a.page.getByLabel("Password").fill("a wrong guess");
    await a.page.getByRole("button", { name: "Sign in" }).click();
    await a.page.getByRole("alert").getByText("wrong").waitFor();
    await accessible(a.page, "the sign-in");
    await signIn(a.page);
    const b = await open();
    await signIn(b.page);
    for (const { page } of [a, b]) await page.getByRole("button", { name: /Ada Lovelace/ }).click();
    await step({ guest: 1, body: "Is the pool open?" });
    for (const { page } of [a, b]) await page.getByRole("log").getByText("Is the pool open?").waitFor();
    await a.page.getByLabel("Reply").fill("Until ten.");
    await a.page.getByRole("button", { name: "Send" }).click();
    for (const { page } of [a, b]) await page.getByRole("log").getByText("Until ten.").waitFor();
    await emptied(a.page.getByLabel("Reply"));
    await step({ step: "deliver" });
    for (const { page } of [a, b]) await page.locator(".message.out").getByText("delivered").waitFor();
    await a.page.getByText(/Text is kept until/).first().waitFor();
    await accessible(a.page, "a conversation");
    assert.deepEqual(await a.page.evaluate(() => [document.cookie, ...Object.keys(localStorage), ...Object.keys(sessionStorage)]), [""], "a script can read something of the session");
    for (const [size, viewport] of Object.entries({ phone: { width: 390, height: 844 }, tablet: { width: 820, height: 1180 }, desktop: { width: 1440, height: 900 } })) {
      for (const colorScheme of ["light", "dark"]) {
        await a.page.setViewportSize(viewport);
        await a.page.emulateMedia({ colorScheme });
        await a.page.screenshot({ path: `${settings.output}/inbox-${size}-${colorScheme}.png` });
        await accessible(a.page, `${size}, ${colorScheme}`);
      }
    }
    await a.page.setViewportSize({ width: 1440, height: 900 });
    await a.page.evaluate(() => { document.documentElement.dir = "rtl"; });
    const [list, thread] = [await a.page.getByRole("navigation").boundingBox(), await a.page.getByRole("main").boundingBox()];
    assert.ok(list.x > thread.x, "from right to left, the list is not on the right");
    await a.page.screenshot({ path: `${settings.output}/inbox-desktop-rtl.png` });
    for (const { elsewhere, wrong } of [a, b]) assert.deepEqual([...elsewhere, ...wrong], []);
    await a.context.close();
    await b.context.close();
  },

  async "what expires while it is read leaves the screen"() {
    const { context, page } = await open();
    await signIn(page);
    await step({ step: "expiring" });
    await page.getByRole("button", { name: /img src/ }).click();
    await page.getByRole("log").getByText("Words of a month ago").waitFor();
    await page.getByRole("log").getByText("The text has expired.").waitFor();
    await page.getByText("Words of a month ago").waitFor({ state: "detached" }); // in the list too
    await context.close();
  },

  async "what is being written outlives a server that is away, and what was read does not"() {
    const { context, page, wrong } = await open();
    await signIn(page);
    await page.getByRole("button", { name: /Ada Lovelace/ }).click();
    await page.getByRole("log").getByText("Until ten.").waitFor();
    await page.getByLabel("Reply").fill("A long answer");
    await page.route("**/api/v1/conversations/**", (route) => route.abort());
    await step({ guest: 1, body: "Are you there?" });
    await page.getByRole("log").getByText("Until ten.").waitFor({ state: "detached" });
    assert.equal(await page.getByLabel("Reply").inputValue(), "A long answer");
    await page.unroute("**/api/v1/conversations/**");
    await step({ guest: 1, body: "Hello?" });
    await page.getByRole("log").getByText("Are you there?").waitFor();
    assert.equal(await page.getByLabel("Reply").inputValue(), "A long answer");
    assert.ok(wrong.every((text) => text.includes("ERR_FAILED")), wrong.join());
    await context.close();
  },
  async "a search finds by name and number"() {
    const { page, context } = await open();
    await signIn(page);
    for (const typed of ["grace", "1822"]) {
      await page.getByRole("searchbox").fill(typed);
      await page.getByRole("button", { name: /Ada/ }).waitFor({ state: "detached" });
      await page.getByRole("button", { name: /Grace Hopper/ }).waitFor();
    }
    await page.getByRole("searchbox").fill("nobody");
    await page.getByText("Nothing was found.").waitFor();
    await context.close();
  },

  async "staff send a file, and see which are not taken"() {
    const { page, context, wrong } = await open();
    await signIn(page);
    await page.getByRole("button", { name: /Ada Lovelace/ }).click();
    const attach = page.getByRole("button", { name: "Attach a file" });
    const send = page.getByRole("button", { name: "Send" });
    page.on("filechooser", () => {}); // as long as somebody listens, the browser opens no window of its own
    const choose = async (name, buffer) => {
      await attach.focus();
      const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
      await chooser.setFiles({ name, mimeType: "image/png", buffer });
    };
    const picture = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
    // What runs in a browser is known by its bytes.
    for (const evil of ["<html><script>window.pwned=1</script></html>", `<svg xmlns="http://www.w3.org/2000/svg" onload="window.pwned=1"/>`]) {
      await choose("room.png", Buffer.from(evil));
      await page.getByText("room.png (0.1 kB)").waitFor();
      await send.click();
      await page.getByRole("alert").getByText("A file of this kind is not sent.").waitFor();
    }
    await page.getByRole("button", { name: "Remove: room.png" }).click();
    await page.getByText("room.png").waitFor({ state: "detached" });
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Attach a file", "the focus is lost");
    await choose("empty.png", Buffer.alloc(0));
    await page.getByRole("alert").getByText("The file is empty.").waitFor();
    await choose("large.png", Buffer.concat([picture, Buffer.alloc(16 * 1024 * 1024)]));
    await page.getByRole("alert").getByText("at most 16.7 MB").waitFor();
    assert.equal(await page.getByRole("button", { name: /^Remove: large/ }).count(), 0);
    await choose("film.png", Buffer.concat([picture, Buffer.alloc(5_000_000)]));
    await send.click();
    await page.getByRole("alert").getByText("at most 5 MB").waitFor(); // is what the provider takes
    // With words, and as it was.
    await choose("Zimmer 7.png", picture);
    await page.getByLabel("Reply").fill("Your room.");
    await accessible(page, "a file that is chosen");
    await page.screenshot({ path: `${settings.output}/inbox-file.png` });
    await send.click();
    const link = page.getByRole("log").getByRole("link", { name: "Zimmer 7.png" });
    await link.waitFor();
    assert.equal(await page.getByRole("button", { name: /^Remove: / }).count(), 0, "the file is there to be sent again");
    const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
    assert.deepEqual(await readFile(await download.path()), picture);
    assert.deepEqual(await step({ goes: "Your room." }), picture, "the connector is given other bytes");
    // By dropping it; and one without words.
    await page.getByLabel("Reply").evaluate((field) => {
      const data = new DataTransfer();
      data.items.add(new File(["Breakfast from seven."], "breakfast.txt", { type: "text/plain" }));
      field.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    });
    await page.getByText("breakfast.txt (0.1 kB)").waitFor();
    await send.click();
    await page.getByRole("log").getByRole("link", { name: "breakfast.txt" }).waitFor();
    // What the channel does not take can't be chosen.
    await step({ kind: "Messenger" });
    await page.reload();
    await step({ guest: 1, body: "A picture of it?" }); // from when on it may be answered there
    await page.getByRole("button", { name: /Ada Lovelace/ }).click();
    await page.getByText(/You can write freely until/).waitFor();
    await choose("room.png", picture);
    await page.getByLabel("Reply").fill("Here.");
    await page.getByRole("alert").getByText("without words").waitFor();
    assert.ok(await send.isDisabled());
    await step({ kind: "SMPP" });
    await page.reload();
    await page.getByRole("button", { name: /Ada Lovelace/ }).click();
    await page.getByText("This channel takes no files.").waitFor();
    assert.ok(await attach.isDisabled());
    await accessible(page, "a channel without files");
    await step({ kind: "TwilioSMS" });
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.deepEqual(wrong, []);
    await context.close();
  },

  async "the page says what the channel allows, and who opted out"() {
    const { page, context } = await open();
    await signIn(page);
    await page.getByRole("button", { name: /Grace Hopper/ }).click();
    await page.getByText("Only a template can be sent now.").waitFor();
    await page.getByRole("button", { name: /Ada Lovelace/ }).click();
    await page.getByLabel("Reply").waitFor();
    await step({ step: "optout" });
    await page.getByText("This guest opted out and must not be written to.").waitFor();
    assert.equal(await page.getByLabel("Reply").count(), 0);
    await accessible(page, "an opt-out");
    await context.close();
  },

  async "who reads far back is not taken from there by what is new"() {
    const { context, page } = await open();
    await signIn(page);
    await step({ step: "long" });
    await page.getByRole("button", { name: /Grace Hopper/ }).click();
    await page.getByRole("log").getByText("Line 1", { exact: true }).waitFor();
    assert.equal(await page.getByText("Line 70", { exact: true }).count(), 0);
    // What was asked for before them comes after them.
    let release;
    const held = new Promise((done) => { release = done; });
    const newest = (url) => url.pathname.endsWith("/messages") && !url.searchParams.has("cursor");
    await page.route(newest, async (route) => {
      await held;
      await route.continue();
    });
    await Promise.all([page.waitForRequest((request) => newest(new URL(request.url()))), step({ guest: 2, body: "A line meanwhile" })]);
    await page.getByRole("button", { name: "Show earlier messages" }).click();
    await page.getByText("Line 70", { exact: true }).waitFor();
    release();
    await page.getByRole("log").getByText("A line meanwhile").waitFor();
    assert.equal(await page.getByText("Line 70", { exact: true }).count(), 1);
    await page.unroute(newest);
    await step({ guest: 2, body: "One more line" });
    await page.getByRole("log").getByText("One more line").waitFor();
    assert.equal(await page.getByText("Line 70", { exact: true }).count(), 1);
    await context.close();
  },
  async "what is new comes with the news and takes its place, and nothing is asked for"() {
    const { context, page } = await open();
    const asked = [];
    page.on("request", (request) => { if (new URL(request.url()).pathname === "/api/v1/conversations") asked.push(request.url()); });
    await signIn(page);
    const row = (n) => page.locator("nav li").nth(n);
    for (let n = 1; n === 1 || asked.length > 0; n++) { // what a page is told as its socket opens, that anything may be new, comes before
      asked.length = 0;
      for (const guest of [2, 3]) {
        await step({ guest, body: `To ${guest} before: ${n}` });
        await row(0).getByText(`To ${guest} before: ${n}`).waitFor();
      }
    }
    const ada = page.locator("nav li", { hasText: "Ada Lovelace" });
    await ada.evaluate((element) => { element.dataset.kept = "yes"; });
    for (const [guest, body] of [[3, "Of another guest"], [1, "Of one further below"], [2, "Of the first again"]]) {
      await step({ guest, body });
      await row(0).getByText(body).waitFor();
    }
    assert.deepEqual([await row(1).innerText(), await row(2).innerText()].map((text) => /Of .*/.exec(text)?.[0]), ["Of one further below", "Of another guest"]);
    assert.equal(await page.locator("nav li").count(), 3);
    assert.equal(await ada.getAttribute("data-kept"), "yes", "rows are made anew");
    assert.deepEqual(asked, []);
    await context.close();
  },
  async "what a server tells of without saying it is read by itself and takes its place, and what could not be read is read with the next"() {
    const { context, page } = await open();
    await page.routeWebSocket(/\/events/, (socket) => { // as one of the release before does
      socket.connectToServer().onMessage((text) => socket.send(JSON.stringify({ ...JSON.parse(text), conversations: undefined })));
    });
    const asked = [];
    page.on("request", (request) => { if (new URL(request.url()).pathname === "/api/v1/conversations") asked.push(new URL(request.url()).searchParams.get("ids")?.split(",") ?? "all"); });
    await signIn(page);
    const row = (n) => page.locator("nav li").nth(n);
    for (let n = 1; !asked.some(Array.isArray); n++) { // what a page is told as its socket opens, that anything may be new, comes before
      await step({ guest: 2, body: `Before these: ${n}` });
      await row(0).getByText(`Before these: ${n}`).waitFor();
    }
    asked.length = 0;
    const ada = page.locator("nav li", { hasText: "Ada Lovelace" });
    await ada.evaluate((element) => { element.dataset.kept = "yes"; });
    for (const [guest, body] of [[3, "Of another guest"], [1, "Of one further below"], [2, "Of the first again"]]) {
      await step({ guest, body });
      await row(0).getByText(body).waitFor();
    }
    assert.deepEqual([await row(1).innerText(), await row(2).innerText()].map((text) => /Of .*/.exec(text)?.[0]), ["Of one further below", "Of another guest"]);
    assert.equal(await page.locator("nav li").count(), 3);
    assert.equal(await ada.getAttribute("data-kept"), "yes", "rows are made anew");
    assert.ok(asked.length >= 3 && !asked.includes("all"), `asked for ${JSON.stringify(asked)}`);
    await page.route(/conversations\?.*ids=/, (route) => route.abort());
    await step({ guest: 3, body: "While the server is away" });
    await page.getByRole("navigation").getByText("That did not work.").waitFor();
    asked.length = 0;
    await page.unroute(/conversations\?.*ids=/);
    await step({ guest: 1, body: "When it is back" });
    await row(0).getByText("When it is back").waitFor();
    await row(1).getByText("While the server is away").waitFor();
    assert.ok(asked.includes("all"));
    await context.close();
  },

  async "what a guest wrote is text"() {
    const { page, context, wrong } = await open();
    await signIn(page);
    const evil = `<script>window.pwned=1</script><img src=x onerror="window.pwned=1"><a href="javascript:window.pwned=1">x</a>`;
    await step({ guest: 3, body: evil });
    await page.getByRole("button", { name: /<img src=x/ }).click();
    await page.getByRole("log").getByText(evil).waitFor();
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.equal(await page.locator("img, .words a, script[src='x']").count(), 0);
    assert.deepEqual(wrong, []);
    await context.close();
  },

  async "another site's page can neither ask for anything nor frame the page"() {
    const { page, context } = await open();
    await signIn(page);
    const evil = createServer((_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end(`<iframe src="${settings.origin}/inbox/"></iframe>`));
    await new Promise((listening) => evil.listen(0, "127.0.0.1", listening));
    const other = await context.newPage();
    await other.goto(`http://localhost:${evil.address().port}/`);
    const sent = await other.evaluate(async (origin) => {
      const opened = await new Promise((done) => {
        const socket = new WebSocket(origin.replace("http", "ws") + "/api/v1/events", "switchboard-staff.v1");
        socket.onopen = () => done(true);
        socket.onerror = () => done(false);
      });
      const answers = [];
      for (const method of ["POST", "DELETE"]) {
        answers.push(await fetch(origin + "/api/v1/sessions/current", { method, credentials: "include" }).then(() => "read", () => "refused"));
      }
      await fetch(origin + "/api/v1/browser-sessions", { method: "POST", mode: "no-cors", credentials: "include" }).catch(() => {});
      return { opened, answers };
    }, settings.origin);
    assert.deepEqual(sent, { opened: false, answers: ["refused", "refused"] });
    assert.equal(await other.frames()[1].getByRole("button").count(), 0, "the page is framed");
    await page.reload();
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    evil.close();
    await context.close();
  },

  async "a session that is revoked ends in the open page, and what was read goes"() {
    const { page, context } = await open();
    await signIn(page);
    await page.getByRole("button", { name: /Ada Lovelace/ }).click();
    await page.getByRole("log").getByText("Is the pool open?").waitFor();
    await step({ step: "revoke" });
    await page.getByText("Your session has ended.").waitFor();
    assert.equal(await page.getByText("Is the pool open?").count(), 0);
    await signIn(page);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    assert.equal((await context.cookies()).length, 0);
    await context.close();
  },

  async "it speaks German and Spanish"() {
    for (const [locale, words] of [["de-DE", "Anmelden"], ["es-ES", "Iniciar sesión"], ["fr-FR", "Sign in"]]) {
      const { page, context } = await open({ locale });
      await page.getByRole("button", { name: words }).waitFor();
      await context.close();
    }
    for (const [locale, email, password, enter, attach, told] of [
      ["de-DE", "E-Mail", "Passwort", "Anmelden", "Datei anhängen", "Dateien dieser Art"], ["es-ES", "Correo electrónico", "Contraseña", "Iniciar sesión", "Adjuntar un archivo", "No se envían archivos"],
    ]) {
      const { page, context } = await open({ locale });
      await page.getByLabel(email).fill(settings.email);
      await page.getByLabel(password).fill(settings.password);
      await page.getByRole("button", { name: enter }).click();
      await page.getByRole("button", { name: /img src/ }).click();
      const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: attach }).click()]);
      await chooser.setFiles({ name: "room.png", mimeType: "image/png", buffer: Buffer.from("<html>") });
      await page.getByText("room.png (").waitFor();
      await page.locator(".composer form button:not([type])").click();
      await page.getByRole("alert").getByText(told).waitFor();
      await context.close();
    }
  },
};

await step({ step: "guests" });
await play(browser, tests);
