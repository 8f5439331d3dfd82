// Uses the guests' chat on pages of a client's site as guests do, and as those would who mean harm.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { accessible, launch, play, settings } from "./chromium.mjs";

const browser = await launch(`--host-resolver-rules=${settings.rules}`);
const patience = 60_000; // milliseconds
const integrity = "sha384-" + createHash("sha384").update(await readFile("../../internal/instance/web/dist/widget/widget.js")).digest("base64");

async function step(path, query = {}, body) {
  const response = await fetch(`${settings.steps}/${path}?${new URLSearchParams(query)}`, { method: "POST", body: body && JSON.stringify(body) });
  const answer = await response.text();
  assert.ok(response.ok, answer);
  return answer;
}

/** The channel as the test begins, with changes; the connector is a new one. */
const restart = (changes = {}) => step("restart", {}, { ...settings.channel, ...changes });

const desk = {
  async call(method, path, body) {
    const response = await fetch(`${settings.staff}/api/v1${path}`, {
      method, headers: { "Content-Type": "application/json", ...(this.token && { Authorization: `Bearer ${this.token}` }) }, body: body && JSON.stringify(body),
    });
    const answer = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${answer}`);
    return answer && JSON.parse(answer);
  },
  async signIn() { this.token = (await this.call("POST", "/sessions", { email: settings.email, password: settings.password })).token; },
  /** The conversation whose last message says this. */
  async conversation(text) {
    const { conversations } = await this.call("GET", "/conversations?limit=100");
    const found = conversations.find((c) => c.lastMessage?.preview === text);
    assert.ok(found, `no conversation whose last message is ${text}`);
    return found.id;
  },
  messages(id) { return this.call("GET", `/conversations/${id}/messages`).then((r) => r.messages); },
  reply(id, body) { return this.call("POST", `/conversations/${id}/messages`, { body }); },
  async replyWith(id, body, name, content) {
    const form = new FormData();
    form.append("message", JSON.stringify({ body }));
    form.append("file", new File([content], name));
    const response = await fetch(`${settings.staff}/api/v1/conversations/${id}/messages`, { method: "POST", headers: { Authorization: `Bearer ${this.token}` }, body: form });
    assert.equal(response.status, 202, await response.text());
  },
  async file(id) {
    const response = await fetch(`${settings.staff}/api/v1/attachments/${id}`, { headers: { Authorization: `Bearer ${this.token}` } });
    return Buffer.from(await response.arrayBuffer());
  },
  typing(id) { return this.call("POST", `/conversations/${id}/typing`); },
};

/** until waits for a condition that the page does not show. */
async function until(what, condition) {
  for (const end = Date.now() + patience; ; await new Promise((r) => setTimeout(r, 50))) {
    const got = await condition();
    if (got) return got;
    assert.ok(Date.now() < end, `waited for ${what}`);
  }
}

const siteOf = (query = {}, host = settings.hotel) => `${host}/?${new URLSearchParams(query)}`;

/** visit gives a browser of its own with a page of the site. What goes wrong there, and what it asks of others, is noted. */
async function visit(query = {}, { host, context, init, ...options } = {}) {
  context ??= await browser.newContext({ ignoreHTTPSErrors: true, locale: "en-GB", viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  if (init) await page.addInitScript(init);
  const asked = [];
  const wrong = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("websocket", (socket) => asked.push(socket.url()));
  page.on("console", (message) => { if (message.type() === "error") wrong.push(message.text()); });
  page.on("pageerror", (error) => wrong.push(String(error)));
  await page.goto(siteOf(query, host));
  return { context, page, asked, wrong, ...parts(page) };
}

function parts(page) {
  return {
    launcher: page.locator(".launcher"), dialog: page.getByRole("dialog"), log: page.getByRole("log"), input: page.getByRole("textbox"),
    async open() {
      await page.locator(".launcher").click();
      await page.getByRole("dialog").waitFor();
    },
    async says(text) {
      await page.getByRole("textbox").fill(text);
      await page.getByRole("textbox").press("Enter");
    },
    /** sent waits until a text is with the connector. */
    async sent(text) {
      await page.locator(".message.guest").filter({ hasText: text }).locator(".state").filter({ hasText: /^(Sent|Read|)$/ }).waitFor({ state: "attached" });
    },
    texts: () => page.locator(".list .message p").allTextContents(),
  };
}

/** usable has axe find nothing on a page, and have looked into the chat. */
async function usable(page, what) {
  const seen = await accessible(page, what);
  assert.ok(seen.some((target) => /launcher|dialog/.test(target)), `axe did not look into the chat: ${what}`);
}

/** stored gives what the site's page keeps in its browser. */
const stored = (page) => page.evaluate(() => [document.cookie, JSON.stringify({ ...sessionStorage }), JSON.stringify({ ...localStorage })]);
const nothing = ["", "{}", "{}"];

/** How many messages the database holds of a text. */
const count = async (text) => Number(await step("query", { statement: `SELECT count(*)::text FROM sb.message_body WHERE body = '${text}'` }));

/** focused is the name of what has the focus in the chat, or outside of it. */
const focused = (page) => page.evaluate(() => {
  const inside = document.activeElement?.shadowRoot?.activeElement;
  return inside ? inside.getAttribute("aria-label") ?? inside.textContent : document.activeElement?.tagName;
});

const tests = {
  async "a guest opens the chat, writes, and reads the answer; staff see what the guest wrote"() {
    const { context, page, open, says, sent, log, input, asked, wrong } = await visit();
    await page.locator(".launcher").waitFor();
    assert.deepEqual(asked.filter((u) => !u.startsWith(settings.hotel)), [`${settings.chat}/widget.js`], "more than the script was asked for");
    await open();
    await log.getByText("Welcome to Hotel Berlin.").waitFor();
    await says("Is the pool open?");
    await sent("Is the pool open?");
    assert.equal(await input.inputValue(), "");
    const id = await desk.conversation("Is the pool open?");
    await desk.reply(id, "Until ten.");
    await log.getByText("Until ten.").waitFor();
    await desk.messages(id);
    await page.locator(".message.guest .state").getByText("Read").waitFor();
    await until("the receipt", async () => (await desk.messages(id)).some((m) => m.body === "Until ten." && m.status === "read"));
    await desk.typing(id);
    await page.getByRole("status").getByText("Somebody is typing").waitFor();
    await desk.reply(id, "And from six.");
    await log.getByText("And from six.").waitFor();
    await page.getByText("Somebody is typing").waitFor({ state: "detached" });
    assert.deepEqual(asked.filter((u) => !u.startsWith(settings.hotel) && !u.replace(/^wss/, "https").startsWith(settings.chat)), [], "others were asked");
    assert.deepEqual(wrong, []);
    assert.deepEqual(await context.cookies(), []);
    await context.close();
  },

  async "the keyboard is enough, and the focus stays where it belongs"() {
    const { context, page } = await visit({ script: "window.heard = []; addEventListener('keydown', (e) => heard.push(e.key));" });
    await page.locator(".launcher").waitFor();
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), "BUTTON", "the page's own button");
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), "Open the chat");
    await page.evaluate(() => { heard.length = 0; });
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    assert.equal(await focused(page), "Your message");
    assert.equal(await page.locator(".launcher").getAttribute("aria-expanded"), "true");
    await page.getByRole("link", { name: "Privacy notice" }).waitFor();
    const round = [];
    for (let i = 0; i < 8; i++) {
      await page.keyboard.press("Tab");
      round.push(await focused(page));
    }
    assert.deepEqual(round, ["Attach a file", "Send", "Privacy notice (opens in a new tab)", "What is stored", "Close", "Messages", "Your message", "Attach a file"]);
    for (const name of ["Your message", "Messages", "Close", "What is stored", "Privacy notice (opens in a new tab)"]) {
      await page.keyboard.press("Shift+Tab");
      assert.equal(await focused(page), name);
    }
    await page.getByRole("textbox").focus();
    await page.keyboard.type("One");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("Two");
    assert.equal(await page.getByRole("textbox").inputValue(), "One\nTwo");
    await page.keyboard.press("Enter");
    await page.locator(".list .message").getByText("One\nTwo").waitFor();
    assert.equal(await focused(page), "Your message");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    assert.equal(await focused(page), "Open the chat");
    assert.equal(await page.locator(".launcher").getAttribute("aria-expanded"), "false");
    assert.deepEqual(await page.evaluate(() => heard), [], "the page heard what was typed in the chat");
    await context.close();
  },

  async "a guest and staff send each other files"() {
    const { context, page, open, says, sent, log, asked, wrong } = await visit();
    await open();
    await log.getByText("Welcome").waitFor();
    page.on("filechooser", () => {}); // as long as somebody listens, the browser opens no window of its own
    const choose = async (name, buffer, mimeType = "image/png") => {
      await page.getByRole("textbox").focus();
      await page.keyboard.press("Tab");
      assert.equal(await focused(page), "Attach a file");
      const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
      await chooser.setFiles({ name, mimeType, buffer });
    };
    const picture = Buffer.concat([Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64"), Buffer.alloc(700_000, 7)]);
    // As the first that the guest does: it opens a session.
    await choose("Zimmer – 7.png", picture);
    const own = log.getByRole("button", { name: "Save Zimmer – 7.png" });
    await own.waitFor();
    await page.locator(".message.guest .state").getByText("Sent").waitFor();
    assert.equal(await page.locator(".message.guest").count(), 1, "it is shown twice");
    assert.equal(await page.locator(".retry:visible, progress:visible").count(), 0);
    const { conversations } = await desk.call("GET", "/conversations?limit=100");
    const id = conversations[0].id;
    const [message] = await desk.messages(id);
    assert.deepEqual(message.attachments.map((a) => [a.name, a.state, a.mediaType, a.size]), [["Zimmer – 7.png", "stored", "image/png", picture.length]]);
    const saved = async (button) => {
      const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
      return [download.suggestedFilename(), await readFile(await download.path())];
    };
    const [, back] = await saved(own);
    assert.deepEqual(back, picture);
    assert.deepEqual(await desk.file(message.attachments[0].id), picture);
    // What runs in a browser is known by its bytes; what is too large or empty does not leave the page.
    for (const [name, content] of [["room.png", "<html><script>window.pwned=1</script></html>"], ["plan.png", `<svg xmlns="http://www.w3.org/2000/svg" onload="window.pwned=1"/>`]]) {
      await choose(name, Buffer.from(content));
      await page.locator(".message.guest").filter({ hasText: name }).getByText("Not sent: only pictures").waitFor();
    }
    await choose("large.png", Buffer.concat([picture, Buffer.alloc(16 * 1024 * 1024)]));
    await page.getByRole("alert").getByText("at most 16.7 MB").waitFor();
    await choose("empty.png", Buffer.alloc(0));
    await page.getByRole("alert").getByText("The file is empty.").waitFor();
    assert.equal((await desk.messages(id)).length, 1);
    // Staff answer with one.
    await desk.replyWith(id, "The way to us.", "way.pdf", Buffer.from("%PDF-1.7 the way"));
    await log.getByText("The way to us.").waitFor();
    const [name, way] = await saved(log.getByRole("button", { name: "Save way.pdf" }));
    assert.deepEqual([name, way.toString()], ["way.pdf", "%PDF-1.7 the way"]);
    await usable(page, "files");
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await usable(page, `files, ${colorScheme}`);
      await page.screenshot({ path: `${settings.output}/widget-files-${colorScheme}.png` });
    }
    // No connection, and then there is one.
    await step("wire", { is: "cut" });
    await page.getByRole("status").getByText("No connection").waitFor();
    await choose("later.txt", Buffer.from("Later."), "text/plain");
    await page.locator(".message.guest").filter({ hasText: "later.txt" }).getByText("Sending").waitFor();
    await step("wire", { is: "whole" });
    await log.getByRole("button", { name: "Save later.txt" }).waitFor();
    // It breaks off on its way, and the guest tries again.
    await page.route("**/chat/files", (route) => route.abort());
    await choose("again.txt", Buffer.from("Again."), "text/plain");
    const broken = page.locator(".message.guest").filter({ hasText: "again.txt" });
    await broken.locator(".state").getByText("Not sent").waitFor();
    await usable(page, "a file that was not sent");
    await says("And words go on"); // they are not held up
    await sent("And words go on");
    await page.unroute("**/chat/files");
    await broken.getByRole("button", { name: "Try again" }).press("Enter");
    await log.getByRole("button", { name: "Save again.txt" }).waitFor();
    assert.equal(await focused(page), "Your message");
    assert.equal((await desk.messages(id)).filter((m) => m.attachments.some((a) => a.name === "again.txt")).length, 1);
    // A reload shows them again; what has expired can't be fetched from that instant on.
    await page.reload();
    await log.getByRole("button", { name: "Save way.pdf" }).waitFor();
    await step("exec", { statement: "INSERT INTO sb.retention_limit (policy, category, retain_days, generation, digest) VALUES ('files', 'Attachments', 1, 1, 'd')" });
    await step("exec", { statement: "SELECT sb.ensure_partition(now() - interval '1 day')" });
    await step("exec", { statement: `WITH a AS (UPDATE sb.attachment SET at = at - interval '1 day' WHERE name = 'way.pdf' RETURNING message_id),
      m AS (UPDATE sb.message SET at = at - interval '1 day' WHERE id IN (SELECT message_id FROM a))
      UPDATE sb.message_body SET at = at - interval '1 day' WHERE id IN (SELECT message_id FROM a)` });
    await log.getByRole("button", { name: "Save way.pdf" }).click();
    await page.getByRole("status").getByText("can't be fetched").waitFor();
    await step("exec", { statement: "DELETE FROM sb.retention_limit WHERE policy = 'files'" });
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.deepEqual(asked.filter((u) => !u.startsWith(settings.hotel) && !u.startsWith("blob:") && !u.replace(/^wss/, "https").startsWith(settings.chat)), [], "others were asked");
    assert.ok(!asked.some((u) => /Zimmer|room\.png/.test(u)), "a name is in an address");
    assert.deepEqual(wrong.filter((w) => !/ERR_|WebSocket|422|404/.test(w)), []);
    await context.close();
  },

  async "a chat that is ended breaks off the file on its way, and the next one does not wait for it"() {
    const { context, page, open, says, sent } = await visit();
    await open();
    await says("Before the end");
    await sent("Before the end");
    await page.route("**/chat/files", () => {}); // it never gets there
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: "Attach a file" }).click()]);
    await Promise.all([page.waitForRequest("**/chat/files"), chooser.setFiles({ name: "late.txt", mimeType: "text/plain", buffer: Buffer.from("Late.") })]);
    await page.getByRole("button", { name: "What is stored" }).click();
    await Promise.all([page.waitForEvent("requestfailed", (request) => request.url().endsWith("/chat/files")), page.getByRole("button", { name: "End the chat" }).click()]);
    await says("After the end");
    await sent("After the end");
    assert.equal(await page.getByText("late.txt").count(), 0);
    assert.equal(Number(await step("query", { statement: "SELECT count(*)::text FROM sb.attachment WHERE name = 'late.txt'" })), 0);
    await context.close();
  },

  async "a file is attached in every language"() {
    for (const [tongue, attach, told] of [["de", "Datei anhängen", "Es gehen nur"], ["es", "Adjuntar un archivo", "solo se admiten"], ["ar", "إرفاق ملف", "لم يُرسل"]]) {
      const { context, page, open } = await visit({ tongue });
      await open();
      const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: attach }).click()]);
      await chooser.setFiles({ name: "a.png", mimeType: "image/png", buffer: Buffer.from("<html>") });
      await page.locator(".message.guest .state").getByText(told).waitFor();
      await usable(page, `a file in ${tongue}`);
      if (tongue === "ar") await page.screenshot({ path: `${settings.output}/widget-files-ar.png` });
      await context.close();
    }
  },

  async "a screen reader is told what is new, and not what is old"() {
    const { context, page, open, says, sent, log } = await visit();
    await open();
    await says("Anybody there?");
    await sent("Anybody there?");
    const id = await desk.conversation("Anybody there?");
    await page.locator("[role=log][aria-live=polite]").waitFor();
    await page.keyboard.press("Escape");
    await desk.reply(id, "Yes!");
    await page.getByRole("button", { name: "Open the chat: 1 new" }).waitFor();
    await until("delivery", async () => (await desk.messages(id)).some((m) => m.body === "Yes!" && m.status === "delivered"));
    await usable(page, "closed, with news");
    await page.addInitScript(() => { // notes how polite the log is whenever something is put into it
      window.lives = [];
      const attach = Element.prototype.attachShadow;
      Element.prototype.attachShadow = function (options) {
        const root = attach.call(this, options);
        new MutationObserver((all) => all.forEach((m) => m.addedNodes.forEach((n) => { if (n.dataset?.key) lives.push(n.closest("[role=log]").getAttribute("aria-live")); }))).observe(root, { childList: true, subtree: true });
        return root;
      };
    });
    await page.reload();
    await page.getByRole("button", { name: "Open the chat: 1 new" }).waitFor(); // it was not seen yet
    await open();
    await log.getByText("Yes!").waitFor();
    await until("the receipt", async () => (await desk.messages(id)).some((m) => m.body === "Yes!" && m.status === "read"));
    await page.locator("[role=log][aria-live=polite]").waitFor();
    await page.routeWebSocket("**/chat/socket", (ws) => { // a connector whose database is slow
      const server = ws.connectToServer();
      server.onMessage((frame) => setTimeout(() => ws.send(frame), JSON.parse(frame).type === "message" ? 1_000 : 0));
    });
    await page.reload(); // the chat is open again by itself, and the focus is the page's
    await log.getByText("Yes!").waitFor();
    assert.equal(await focused(page), "BODY");
    await page.locator("[role=log][aria-live=polite]").waitFor();
    assert.deepEqual(await page.evaluate(() => lives), ["off", "off"]);
    await desk.reply(id, "Still here.");
    await log.getByText("Still here.").waitFor();
    assert.deepEqual(await page.evaluate(() => lives), ["off", "off", "polite"]);
    await context.close();
  },

  async "nothing is kept before the guest writes, and a reload goes on from there"() {
    const { context, page, open, says, sent, log, texts } = await visit();
    await open();
    await log.getByText("Welcome").waitFor();
    await page.getByRole("textbox").fill("A draft");
    assert.deepEqual(await stored(page), nothing);
    assert.equal(await count("A draft"), 0);
    await says("My first");
    await sent("My first");
    const [cookie, tab, device] = await stored(page);
    assert.deepEqual([cookie, device], ["", "{}"]);
    assert.ok(!tab.includes("My first"), "a text is kept that was acknowledged");
    await page.reload();
    await log.getByText("My first").waitFor();
    await says("My second");
    await sent("My second");
    assert.deepEqual(await texts(), ["My first", "My second"]);
    const other = await visit({}, { context }); // another tab is another guest, without consent
    await other.open();
    await other.log.getByText("Welcome").waitFor();
    assert.deepEqual(await other.texts(), []);
    await page.getByRole("button", { name: "What is stored" }).click();
    await page.getByText("sets no cookies").waitFor();
    await page.getByRole("button", { name: "End the chat" }).click();
    await page.getByText("This chat has ended.").waitFor();
    assert.deepEqual(await texts(), []);
    assert.deepEqual(await stored(page), nothing);
    await context.close();
  },

  async "by consent the device remembers, two tabs are one chat, and consent can be taken back"() {
    const { context, page, open, says, sent, log } = await visit();
    const b = await visit({}, { context });
    await open();
    await b.open();
    await page.getByRole("button", { name: "What is stored" }).click();
    await page.getByLabel("Remember this chat").check();
    assert.deepEqual(await stored(page), nothing);
    await says("From tab A");
    await sent("From tab A");
    await b.log.getByText("From tab A").waitFor();
    await b.says("From tab B");
    await log.getByText("From tab B").waitFor();
    assert.equal(await step("query", { statement: "SELECT count(DISTINCT conversation_id)::text FROM sb.message_body WHERE body LIKE 'From tab%'" }), "1");
    const c = await visit({}, { context });
    await c.open();
    await c.log.getByText("From tab B").waitFor();
    assert.deepEqual(await c.texts(), ["From tab A", "From tab B"]);
    await page.getByLabel("Remember this chat").uncheck();
    assert.equal((await stored(page))[2], "{}");
    const d = await visit({}, { context });
    await d.open();
    await d.log.getByText("Welcome").waitFor();
    assert.deepEqual(await d.texts(), []);
    await context.close();
  },

  async "it works when cookies and storage are refused"() {
    const refused = () => {
      for (const name of ["sessionStorage", "localStorage"]) {
        Object.defineProperty(window, name, { get() { throw new DOMException("refused", "SecurityError"); } });
      }
      Object.defineProperty(Document.prototype, "cookie", { get() { throw new Error("the cookies were asked for"); }, set() { throw new Error("a cookie was set"); } });
    };
    const full = () => { Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); }; };
    for (const [what, query, init] of [["refused", {}, refused], ["full", {}, full], ["none", { storage: "none" }, undefined]]) {
      const { context, page, open, says, sent, log, wrong } = await visit(query, { init });
      await open();
      await says(`With storage ${what}`);
      await sent(`With storage ${what}`);
      const id = await desk.conversation(`With storage ${what}`);
      await step("wire", { is: "cut" });
      await desk.reply(id, `Answer ${what}`);
      await step("wire", { is: "whole" });
      await log.getByText(`Answer ${what}`).waitFor(); // a lost network is nothing either
      await page.getByRole("button", { name: "What is stored" }).click();
      await page.getByText(what === "full" ? "keeps its key" : "keeps nothing in your browser").waitFor();
      assert.equal(await page.getByLabel("Remember this chat").count(), what === "full" ? 1 : 0);
      if (what === "none") assert.deepEqual(await stored(page), nothing);
      assert.deepEqual(wrong.filter((w) => !/ERR_|WebSocket/.test(w)), []);
      await context.close();
    }
  },

  async "what is written without a network is sent once, in order, when there is one"() {
    const { context, page, open, says, sent, log, texts } = await visit();
    await open();
    await says("Before");
    await sent("Before");
    const id = await desk.conversation("Before");
    await step("wire", { is: "cut" });
    await page.getByRole("status").getByText("No connection").waitFor();
    for (const text of ["Cut 1", "Cut 2", "Cut 3"]) await says(text);
    assert.deepEqual(await page.locator(".message.guest .state").allTextContents(), ["Sent", "Sending …", "Sending …", "Sending …"]);
    await desk.reply(id, "Meanwhile");
    await page.reload().catch(() => {}); // the page itself comes by another wire, the script does not
    await step("wire", { is: "whole" });
    await page.reload();
    await log.getByText("Meanwhile").waitFor();
    for (const text of ["Cut 1", "Cut 2", "Cut 3"]) await sent(text);
    await until("the log", async () => (await texts()).length === 5);
    assert.deepEqual(await texts(), ["Before", "Meanwhile", "Cut 1", "Cut 2", "Cut 3"]);
    for (const text of ["Before", "Cut 1", "Cut 2", "Cut 3"]) assert.equal(await count(text), 1, text);
    await context.close();
  },

  async "a message whose acknowledgement is lost is stored once"() {
    const { context, page, open, says, sent, texts } = await visit();
    await open();
    await says("Hello");
    await sent("Hello");
    await step("wire", { is: "mute" });
    await says("Only once");
    await until("the message", async () => await count("Only once") === 1);
    assert.equal(await page.locator(".message.guest .state").last().textContent(), "Sending …");
    await step("wire", { is: "whole" });
    await sent("Only once");
    await says("And on");
    await sent("And on");
    assert.deepEqual(await texts(), ["Hello", "Only once", "And on"]);
    assert.equal(await count("Only once"), 1);
    await context.close();
  },

  async "a network that swallows everything is given up, and another connection made"() {
    const { context, page, open, says, sent } = await visit();
    await open();
    await says("Hello again");
    await sent("Hello again");
    await step("wire", { is: "mute" });
    await says("Into the void");
    await page.getByRole("status").getByText("No connection").waitFor(); // after the time for an acknowledgement
    await step("wire", { is: "whole" });
    await sent("Into the void");
    assert.equal(await count("Into the void"), 1);
    await context.close();
  },

  async "settings that can't be had are asked for again, less often each time"() {
    const { context, page, open, log, asked } = await visit();
    await page.locator(".launcher").waitFor();
    await step("wire", { is: "cut" });
    await open();
    await page.getByRole("status").getByText("No connection").waitFor();
    const tries = () => asked.filter((u) => u.endsWith("/settings")).length;
    await until("a second and third try", () => tries() >= 3);
    await step("wire", { is: "whole" });
    await log.getByText("Welcome to Hotel Berlin.").waitFor();
    assert.ok(tries() < 10, `${tries()} tries`);
    await page.getByText("No connection").waitFor({ state: "detached" });
    await context.close();
  },

  async "a connector that stops loses nothing, and a changed notice is told of"() {
    const { context, page, open, says, sent, log } = await visit();
    await open();
    await says("Before the upgrade");
    await sent("Before the upgrade");
    assert.equal(await page.getByRole("link", { name: "Privacy notice" }).getAttribute("href"), `${settings.hotel}/privacy`);
    await restart({ privacyNoticeURL: `${settings.hotel}/privacy?since=tomorrow` });
    await says("After the upgrade");
    await sent("After the upgrade");
    await page.getByRole("status").getByText("The privacy notice has changed.").waitFor();
    const link = page.getByRole("link", { name: "Privacy notice" });
    assert.equal(await link.getAttribute("href"), `${settings.hotel}/privacy?since=tomorrow`);
    assert.equal(await link.getAttribute("rel"), "noopener noreferrer");
    const [notice] = await Promise.all([context.waitForEvent("page"), link.click()]);
    await notice.waitForURL(`${settings.hotel}/privacy?since=tomorrow`);
    await restart();
    await log.getByText("After the upgrade").waitFor();
    await context.close();
  },

  async "a notice that changed materially at its address is told of"() {
    await restart({ noticeVersion: 2 });
    const { context, page, open, says, sent } = await visit();
    await open();
    await says("The second version");
    await sent("The second version");
    await restart({ noticeVersion: 2 });
    await says("Still the second version");
    await sent("Still the second version");
    assert.equal(await page.getByText("The privacy notice has changed.").count(), 0);
    await restart({ noticeVersion: 3 });
    await says("The third version");
    await sent("The third version");
    await page.getByRole("status").getByText("The privacy notice has changed.").waitFor();
    await restart({ noticeVersion: 0 });
    await context.close();
  },

  async "a session that ends takes what was shown along, and writing begins another"() {
    const { context, page, open, says, sent, texts } = await visit();
    await open();
    await says("Forget me");
    await sent("Forget me");
    await step("exec", { statement: "UPDATE sb.web_chat_session SET expires_at = now()" });
    await step("wire", { is: "cut" });
    await step("wire", { is: "whole" });
    await page.getByRole("status").getByText("This chat has ended.").waitFor();
    assert.deepEqual(await texts(), []);
    assert.deepEqual(await stored(page), nothing);
    await says("A new beginning");
    await sent("A new beginning");
    assert.deepEqual(await texts(), ["A new beginning"]);
    await context.close();
  },

  async "a guest who is signed in on the site is known on every device, and forgotten by the next page when not"() {
    const { context, page, open, says, sent, log } = await visit({ user: "4711" });
    await open();
    await says("I am 4711");
    await sent("I am 4711");
    const other = await visit({ user: "4711" });
    await other.open();
    await other.log.getByText("I am 4711").waitFor(); // before anything is written there
    await other.context.close();
    await page.goto(siteOf());
    await page.locator(".launcher").waitFor();
    assert.deepEqual(await stored(page), nothing);
    await open();
    await log.getByText("Welcome").waitFor();
    assert.equal(await page.getByText("I am 4711").count(), 0);
    await context.close();
  },

  async "an identity that is forged, copied to another or missing where it is demanded opens nothing"() {
    const sessions = () => step("query", { statement: "SELECT count(*)::text FROM sb.web_chat_session" });
    const before = await sessions();
    for (const query of [{ user: "4711", hash: "00".repeat(32) }, { user: "4712", hash: settings.signature }, { user: "4711", hash: "x" }]) {
      const { context, page, open, wrong } = await visit(query);
      await open();
      await page.getByRole("alert").getByText("Please sign in").waitFor();
      assert.ok(await page.getByRole("textbox").isDisabled());
      await until("the focus", async () => await focused(page) === "Close"); // it is not lost with the field
      assert.ok(wrong.every((w) => w.includes("403")), wrong.join());
      await context.close();
    }
    await restart({ identity: "Enforced" });
    const nobody = await visit();
    await nobody.open();
    await nobody.page.getByRole("alert").getByText("Please sign in").waitFor();
    assert.deepEqual(nobody.wrong, []);
    assert.equal(await sessions(), before);
    const somebody = await visit({ user: "4711" });
    await somebody.open();
    await somebody.says("Demanded and given");
    await somebody.sent("Demanded and given");
    await restart();
    await nobody.context.close();
    await somebody.context.close();
  },

  async "what staff write and what the channel says is text, whatever it looks like"() {
    const evil = `<img src=x onerror="window.pwned=1"><a href="javascript:window.pwned=1">x</a><script>window.pwned=1</script>`;
    await restart({ welcomeText: evil, privacyNoticeURL: "javascript:window.pwned=1" });
    for (const [greeting, query] of [["Good morning", {}], ["Good evening", { style: "p {}" }]]) { // under the strict policy, and with none to help
      const { context, page, open, says, sent, log, wrong } = await visit(query);
      await open();
      await log.getByText(evil).waitFor();
      await says(greeting);
      await sent(greeting);
      const id = await desk.conversation(greeting);
      await desk.reply(id, evil + "!");
      await log.getByText(evil + "!").waitFor();
      assert.equal(await page.evaluate(() => window.pwned), undefined);
      assert.equal(await page.getByRole("dialog").locator("img, script, a[href]").count(), 0);
      assert.deepEqual(wrong, []);
      await context.close();
    }
    await restart();
  },

  async "another site has no chat, and no page may frame the script"() {
    const before = await step("query", { statement: "SELECT count(*)::text FROM sb.web_chat_session" });
    const { context, page, open, says, wrong } = await visit({}, { host: "https://evil.example" });
    await open();
    await says("From elsewhere");
    await page.getByRole("status").getByText("No connection").waitFor();
    assert.ok(wrong.some((w) => w.includes("CORS")), wrong.join());
    assert.equal(await count("From elsewhere"), 0);
    const sent = await page.evaluate(async (chat) => {
      const opened = await new Promise((done) => {
        const socket = new WebSocket(chat.replace("http", "ws") + "/socket", "switchboard.chat.v1");
        socket.onopen = () => done(true);
        socket.onerror = () => done(false);
      });
      const session = await fetch(chat + "/sessions", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" }).then(() => true, () => false);
      return { opened, session };
    }, settings.chat);
    assert.deepEqual(sent, { opened: false, session: false });
    assert.equal(await step("query", { statement: "SELECT count(*)::text FROM sb.web_chat_session" }), before);
    await context.close();
    const framing = await visit({ script: `addEventListener("DOMContentLoaded", () => { const f = document.createElement("iframe"); f.src = "${settings.chat}/widget.js"; document.body.append(f); })` });
    await until("the frame", () => framing.page.frames().length === 2);
    await until("the refusal", () => framing.wrong.some((w) => w.includes("X-Frame-Options") || w.includes("frame-ancestors")));
    await framing.context.close();
  },

  async "a text that is too long is not sent, and the guest is told by how much"() {
    const { context, page, open, says, sent, input } = await visit();
    await open();
    await page.getByRole("link", { name: "Privacy notice" }).waitFor();
    await says("😀".repeat(201));
    await page.getByRole("alert").getByText("At most 200 characters, please. There are 1 too many.").waitFor();
    assert.equal(await input.getAttribute("aria-invalid"), "true");
    assert.equal(await page.locator(".list .message").count(), 0);
    await usable(page, "a text that is too long");
    await says("😀".repeat(200));
    await sent("😀".repeat(200));
    await step("wire", { is: "cut" });
    await page.getByRole("status").getByText("No connection").waitFor();
    await says("x".repeat(150)); // the channel takes less by the time that it comes there
    await restart({ maxMessageLength: 100 });
    await step("wire", { is: "whole" });
    await page.locator(".message.guest .state").getByText("Not sent").waitFor();
    await says("Short");
    await sent("Short");
    await restart();
    await context.close();
  },

  async "neither the page nor the chat disturbs the other"() {
    const style = "* { display: none; font: 80px serif; transform: rotate(9deg); opacity: .1; color: red; visibility: hidden; pointer-events: none } " +
      "html, body, main, h1 { display: block; visibility: visible; transform: none } body > div { display: none !important; z-index: -1 !important } button, p, textarea { width: 1px }";
    const script = "Object.prototype.extra = 1; window.before = Object.getOwnPropertyNames(window);";
    const { context, page, open, says, sent, wrong } = await visit({ style, script, twice: "" });
    const look = () => page.evaluate(() => [...document.querySelectorAll("h1, p")].map((e) => [getComputedStyle(e).font, getComputedStyle(e).color, getComputedStyle(e).display].join()));
    const looked = await look();
    await open();
    await says("Undisturbed");
    await sent("Undisturbed");
    assert.deepEqual(await look(), looked);
    const box = await page.locator(".launcher").boundingBox();
    assert.deepEqual([box.width, box.height], [56, 56]);
    assert.equal(await page.locator(".list .message p").evaluate((e) => getComputedStyle(e).fontSize), "16px");
    assert.deepEqual(await page.evaluate(() => Object.getOwnPropertyNames(window).filter((n) => !before.includes(n) && n !== "before")), [], "there are new global names");
    assert.equal(await page.locator("[data-switchboard-chat]").count(), 1);
    assert.deepEqual(wrong, []);
    await context.close();
    const calm = await visit({}, { reducedMotion: "reduce" });
    await calm.open();
    assert.equal(await calm.dialog.evaluate((e) => getComputedStyle(e).animationName), "none");
    await calm.context.close();
  },

  async "a page can pin the script"() {
    const right = await visit({ integrity });
    await right.launcher.waitFor();
    await right.context.close();
    const other = await visit({ integrity: "sha384-" + "A".repeat(64) });
    await until("the refusal", () => other.wrong.some((w) => w.includes("integrity")));
    assert.equal(await other.launcher.count(), 0);
    await other.context.close();
  },

  async "everybody can use it: three sizes, light and dark, four languages, from right to left"() {
    const languages = { en: "Open the chat", de: "Chat öffnen", es: "Abrir el chat", ar: "فتح الدردشة" };
    for (const [lang, name] of Object.entries(languages)) {
      const { context, page, open, says, sent, log, wrong } = await visit({ lang });
      await page.getByRole("button", { name }).waitFor();
      await usable(page, `${lang}, closed`);
      await open();
      await says(lang === "ar" ? "هل المسبح مفتوح؟" : `Is the pool open? (${lang})`);
      await page.locator(".list .message").waitFor();
      const id = await until("the conversation", () => desk.conversation(lang === "ar" ? "هل المسبح مفتوح؟" : `Is the pool open? (${lang})`).catch(() => undefined));
      await desk.reply(id, "Until ten.");
      await log.getByText("Until ten.").waitFor();
      const every = lang === "en" || lang === "ar"; // the others differ in their words alone
      for (const [size, viewport] of Object.entries({ phone: { width: 390, height: 844 }, tablet: { width: 820, height: 1180 }, desktop: { width: 1440, height: 900 } })) {
        for (const colorScheme of every ? ["light", "dark"] : size === "phone" ? ["dark"] : []) {
          await page.setViewportSize(viewport);
          await page.emulateMedia({ colorScheme });
          await usable(page, `${lang}, ${size}, ${colorScheme}`);
          await page.screenshot({ path: `${settings.output}/widget-${lang}-${size}-${colorScheme}.png` });
          const box = await page.getByRole("dialog").boundingBox();
          assert.ok(box.x >= 0 && box.x + box.width <= viewport.width && box.y >= 0 && box.y + box.height <= viewport.height, `${size}: the dialog is out of sight`);
          assert.equal(await page.getByRole("dialog").getAttribute("aria-modal"), size === "phone" ? "true" : null);
          for (const button of await page.getByRole("dialog").getByRole("button").all()) await button.click({ trial: true }); // nothing covers it
        }
      }
      await page.setViewportSize({ width: 1440, height: 900 });
      await page.emulateMedia({ colorScheme: "light" });
      await page.screenshot({ path: `${settings.output}/widget-${lang}.png`, clip: { x: lang === "ar" ? 0 : 1000, y: 220, width: 440, height: 680 } });
      const box = await page.getByRole("dialog").boundingBox();
      assert.equal(box.x < 720, lang === "ar", "the dialog is on the wrong side");
      await page.locator("header button").first().click();
      await usable(page, `${lang}, what is stored`);
      await page.screenshot({ path: `${settings.output}/widget-${lang}-stored.png` });
      await page.keyboard.press("Escape");
      await usable(page, `${lang}, closed again`);
      assert.deepEqual(wrong, []);
      await context.close();
    }
    const unknown = await visit({ lang: "fi", tongue: "de" });
    await unknown.page.getByRole("button", { name: languages.de }).waitFor();
    await unknown.context.close();
  },
};

await desk.signIn();
await play(browser, tests, () => step("wire", { is: "whole" }));
