// Manages accounts, uses second factors and hands conversations on, in two browsers, and as those would who mean harm.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { accessible, emptied, launch, play, settings } from "./chromium.mjs";

const browser = await launch();
const chosen = "a sentence of her own";
const evil = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>`;

async function step(query) {
  const response = await fetch(`${settings.steps}/?${new URLSearchParams(query)}`, { method: "POST" });
  assert.ok(response.ok, await response.text());
}

async function open(url = `${settings.origin}/inbox/`, options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: "en-GB", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const wrong = [];
  page.on("request", (request) => { if (new URL(request.url()).host !== new URL(settings.origin).host) wrong.push(request.url()); });
  page.on("console", (message) => { if (message.type() === "error" && !/400|401|403|404|409|422/.test(message.text())) wrong.push(message.text()); });
  page.on("pageerror", (error) => wrong.push(String(error)));
  await page.goto(url);
  return { context, page, wrong };
}

async function signIn(page, email = settings.email, password = settings.password) {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

const signedIn = (page) => page.getByRole("button", { name: "Sign out" }).waitFor();

/** member invites somebody from a supervisor's page, who accepts and signs in, in a browser of their own. */
async function member(supervisor, email, role, name = "") {
  await supervisor.getByRole("button", { name: "People", exact: true }).click();
  await supervisor.getByLabel("E-mail").fill(email);
  if (name) await supervisor.getByLabel("Name", { exact: true }).fill(name);
  await supervisor.locator("select[name=role]").selectOption(role);
  await supervisor.getByRole("button", { name: "Make a link" }).click();
  const link = await supervisor.locator(".link code").innerText();
  await supervisor.getByRole("button", { name: "People", exact: true }).click();
  const other = await open(new URL(link, settings.origin).href);
  assert.ok(!other.page.url().includes("sbv_"), "the token stays in the address");
  await other.page.getByLabel("New password").fill(chosen);
  await accessible(other.page, "an invitation");
  await other.page.getByRole("button", { name: "Choose this password" }).click();
  await other.page.getByText(`Sign in as ${email}.`).waitFor();
  await signIn(other.page, email, chosen);
  await signedIn(other.page);
  return { ...other, link };
}

function totp(secret, step) {
  let bits = "";
  for (const c of secret) bits += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0");
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", key).update(counter).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1e6).padStart(6, "0");
}

let used = 0;
/** code gives one that was not used, ahead of time by a step at most. */
async function code(secret) {
  const now = () => Math.floor(Date.now() / 30_000);
  used = Math.max(now(), used + 1);
  while (now() < used - 1) await new Promise((later) => setTimeout(later, 500));
  return totp(secret, used);
}

async function setUp(page) {
  await page.getByRole("button", { name: "Set up" }).click();
  const secret = await page.locator("code.secret").innerText();
  await page.getByRole("img", { name: /QR code/ }).waitFor();
  await accessible(page, "setting a second factor up");
  await page.getByLabel("Code", { exact: true }).fill("000000");
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("alert").getByText("wait for the next one").waitFor();
  await page.getByLabel("Code", { exact: true }).fill(await code(secret));
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.locator(".codes code").first().waitFor();
  const codes = await page.locator(".codes code").allInnerTexts();
  assert.equal(codes.length, 10);
  await page.getByRole("button", { name: "I have kept them" }).click();
  return { secret, codes };
}

const tests = {
  async "a supervisor invites, gives roles, and closes an account under use"() {
    const a = await open();
    await signIn(a.page);
    const b = await member(a.page, "night@hotel.example", "agent", evil);
    assert.deepEqual(await b.page.getByRole("button", { name: "People", exact: true }).count(), 0, "an agent manages people");
    const again = await open(new URL(b.link, settings.origin).href);
    await again.page.getByLabel("New password").fill(chosen);
    await again.page.getByRole("button", { name: "Choose this password" }).click();
    await again.page.getByRole("alert").getByText("ask a supervisor for another").waitFor();
    await a.page.getByRole("button", { name: "People", exact: true }).click();
    await a.page.getByText(evil).first().waitFor();
    await accessible(a.page, "people");
    await a.page.screenshot({ path: `${settings.output}/people.png` });
    const mine = a.page.getByLabel(/^Role: reception/);
    await mine.selectOption("agent");
    await a.page.getByRole("alert").getByText("last supervisor").waitFor();
    assert.equal(await mine.inputValue(), "supervisor");
    await a.page.getByRole("button", { name: /^Close: <img/ }).click();
    await b.page.getByText("Your session has ended.").waitFor();
    await signIn(b.page, "night@hotel.example", chosen);
    await b.page.getByRole("alert").getByText("wrong").waitFor();
    await a.page.getByRole("button", { name: /^Open: <img/ }).click();
    await a.page.getByRole("button", { name: /^Close: <img/ }).waitFor();
    await signIn(b.page, "night@hotel.example", chosen);
    await signedIn(b.page);
    for (const { page, wrong } of [a, b]) {
      assert.equal(await page.evaluate(() => window.pwned), undefined);
      assert.deepEqual(wrong, []);
    }
    for (const { context } of [a, b, again]) await context.close();
  },

  async "conversations are handed on and noted, and others see it at once"() {
    const a = await open();
    await signIn(a.page);
    const b = await open();
    await signIn(b.page, "night@hotel.example", chosen);
    for (const { page } of [a, b]) await page.getByRole("button", { name: /Ada Lovelace/ }).click();
    await b.page.getByLabel("Assigned to").selectOption({ label: "Me" });
    await a.page.locator(".assign select").getByText(evil).waitFor({ state: "attached" });
    await a.page.waitForFunction(() => document.querySelector(".assign select").selectedOptions[0].text.includes("onerror"));
    await a.page.locator("nav .assignee").getByText(evil).waitFor();
    await b.page.getByLabel("Whose conversations").selectOption({ label: "Mine" });
    await b.page.getByRole("button", { name: /Grace Hopper/ }).waitFor({ state: "detached" });
    await b.page.getByText("Write a note for colleagues").click();
    await b.page.getByLabel(/It is not sent/).fill(evil + " is cross");
    await b.page.getByRole("button", { name: "Keep the note" }).click();
    for (const { page } of [a, b]) await page.locator(".message.note").getByText(evil + " is cross").waitFor();
    await accessible(a.page, "a note");
    await a.page.screenshot({ path: `${settings.output}/note.png` });
    await a.page.getByLabel("Assigned to").selectOption("");
    await b.page.getByRole("button", { name: /Ada Lovelace/ }).waitFor({ state: "detached" });
    for (const { page, wrong, context } of [a, b]) {
      assert.equal(await page.evaluate(() => window.pwned), undefined);
      assert.deepEqual(wrong, []);
      await context.close();
    }
  },

  async "two contacts are one person, and are taken apart again"() {
    const a = await open();
    await signIn(a.page);
    await a.page.getByRole("button", { name: /Ada Lovelace/ }).click();
    const known = a.page.locator("details.noting", { hasText: "Known as" });
    await known.locator("summary").click();
    await known.locator("li strong").first().waitFor();
    const before = await known.locator("li").count();
    await known.getByLabel("Another contact of this person").fill("Grace");
    await known.getByRole("button", { name: "Search contacts" }).click();
    await accessible(a.page, "contacts that may be the same person");
    await known.getByRole("button", { name: "Is the same person" }).click();
    await known.getByText("the same person since").waitFor();
    assert.ok(await known.locator("li").count() > before + 1, "the other's addresses are not shown");
    await known.getByRole("button", { name: "Not the same person" }).click();
    await known.getByText("the same person since").waitFor({ state: "detached" });
    assert.equal(await known.locator("li").count(), before);
    assert.deepEqual(a.wrong, []);
    await a.context.close();
  },

  async "a supervisor sees who read a guest's thread, and an agent is not asked"() {
    const a = await open();
    await signIn(a.page);
    await a.page.getByRole("button", { name: /Ada Lovelace/ }).click();
    await a.page.getByText("Who has read this").click();
    await a.page.locator(".looks li").getByText(evil).first().waitFor();
    await a.page.locator(".looks li").getByText("changed something").first().waitFor();
    await accessible(a.page, "who read a thread");
    const b = await open();
    await signIn(b.page, "night@hotel.example", chosen);
    await b.page.getByRole("button", { name: /Ada Lovelace/ }).click();
    await b.page.getByText("Write a note for colleagues").waitFor();
    assert.equal(await b.page.getByText("Who has read this").count(), 0);
    for (const { page, wrong, context } of [a, b]) {
      assert.equal(await page.evaluate(() => window.pwned), undefined);
      assert.deepEqual(wrong, []);
      await context.close();
    }
  },

  async "a canned reply is put into the field, and can be changed there"() {
    const a = await open();
    await signIn(a.page);
    await a.page.getByRole("button", { name: "Canned replies" }).click();
    await a.page.getByLabel("Title").fill("Late <b>check-out</b>");
    await a.page.getByLabel("Reply").fill("Until noon." + evil);
    await a.page.getByRole("button", { name: "Add a canned reply" }).click();
    await a.page.getByText("Until noon." + evil).waitFor();
    await accessible(a.page, "canned replies");
    await a.page.getByRole("button", { name: /Ada Lovelace/ }).click();
    await a.page.getByLabel("Insert a canned reply").selectOption({ label: "Late <b>check-out</b>" });
    const field = a.page.getByLabel("Reply", { exact: true });
    assert.equal(await field.inputValue(), "Until noon." + evil);
    await field.fill("Until one.");
    await a.page.getByRole("button", { name: "Send" }).click();
    await a.page.getByRole("log").getByText("Until one.").waitFor();
    assert.equal(await a.page.evaluate(() => window.pwned), undefined);
    assert.deepEqual(a.wrong, []);
    await a.context.close();
  },

  async "a second factor is set up, wanted, and required of all"() {
    const a = await open();
    await signIn(a.page);
    await a.page.getByRole("button", { name: "Account", exact: true }).click();
    const { secret, codes } = await setUp(a.page);
    await accessible(a.page, "the account");
    await a.page.getByRole("button", { name: "Sign out" }).click();
    await signIn(a.page);
    await a.page.getByLabel("Code", { exact: true }).fill("12345x");
    await a.page.getByRole("button", { name: "Sign in" }).click();
    await a.page.getByRole("alert").getByText("wait for the next one").waitFor();
    await accessible(a.page, "a code");
    await a.page.getByLabel("Code", { exact: true }).fill(await code(secret));
    await a.page.getByRole("button", { name: "Sign in" }).click();
    await signedIn(a.page);
    const b = await open();
    await signIn(b.page, "night@hotel.example", chosen);
    await signedIn(b.page);
    await a.page.getByRole("button", { name: "People", exact: true }).click();
    await a.page.getByLabel("Everybody needs a second factor").check();
    await b.page.getByText("Your session has ended.").waitFor();
    await signIn(b.page, "night@hotel.example", chosen);
    await b.page.getByText("A second factor is required here.").waitFor();
    assert.equal(await b.page.getByRole("button", { name: /Ada Lovelace/ }).count(), 0);
    await setUp(b.page);
    await b.page.getByRole("button", { name: /Ada Lovelace/ }).waitFor();
    await a.page.getByRole("button", { name: "People", exact: true }).click();
    await a.page.getByRole("button", { name: "People", exact: true }).click();
    await a.page.getByLabel("Everybody needs a second factor").uncheck();
    await a.page.getByRole("button", { name: /^Reset second factor: <img/ }).click();
    await a.page.getByRole("button", { name: "Account", exact: true }).click();
    await a.page.getByLabel("Code", { exact: true }).fill(codes[0]);
    await a.page.getByRole("button", { name: "Take the second factor away" }).click();
    await a.page.getByRole("button", { name: "Set up" }).waitFor();
    for (const { wrong, context } of [a, b]) {
      assert.deepEqual(wrong, []);
      await context.close();
    }
  },

  async "an auditor sees counts and evidence, and of guests nothing"() {
    const a = await open();
    await signIn(a.page);
    const b = await member(a.page, "auditor@hotel.example", "auditor");
    const bodies = [];
    b.page.on("response", async (response) => bodies.push(await response.text().catch(() => "")));
    await b.page.reload();
    await b.page.getByText("Contacts").waitFor();
    await accessible(b.page, "oversight");
    await b.page.screenshot({ path: `${settings.output}/oversight.png` });
    const asked = await b.page.evaluate(async () => {
      const all = [];
      for (const path of ["/conversations", "/conversations?q=ada", "/contacts", "/colleagues", "/staff", "/undelivered-messages", "/canned-replies", "/privacy/requests", "/privacy/holds", "/privacy/disclosures", "/privacy/testimonials", "/testimonials"]) all.push((await fetch("/api/v1" + path)).status);
      return all;
    });
    assert.deepEqual(asked, asked.map(() => 403));
    await step({ guest: 1, body: "A secret of Ada's" });
    await b.page.getByRole("button", { name: "Account", exact: true }).click();
    for (const text of [await b.page.content(), ...bodies.filter((body) => !body.includes("openapi"))]) assert.ok(!/Lovelace|Grace Hopper|secret of Ada|\+49309/.test(text), "the auditor is shown a guest");
    await a.page.getByRole("button", { name: "People", exact: true }).click();
    await a.page.getByRole("button", { name: "Close: auditor@hotel.example" }).click();
    await b.page.getByText("Your session has ended.").waitFor();
    await a.context.close();
    await b.context.close();
  },

  async "a privacy officer files a request, and follows it to its end"() {
    const a = await open();
    await signIn(a.page);
    const b = await member(a.page, "officer@hotel.example", "privacyOfficer", "Olga");
    const desk = b.page.getByRole("list", { name: "Privacy requests" });
    await b.page.getByRole("button", { name: "Privacy", exact: true }).click();
    await b.page.getByText("There are none.").waitFor();
    await b.page.getByLabel(/^Phone/).fill("030 1234");
    const today = new Date().toISOString().slice(0, 10);
    await b.page.getByLabel("Received on").fill(today);
    await b.page.getByRole("button", { name: "File it" }).click();
    await b.page.getByRole("alert").getByText("this is no address of that kind").waitFor();
    assert.equal(await b.page.getByLabel(/^Phone/).inputValue(), "030 1234", "what was typed is lost");
    await b.page.getByLabel(/^Phone/).fill("+4930901829\n+4930901828");
    await b.page.getByLabel("Days that the law gives, if not 45").fill("30");
    await b.page.getByLabel("How you made sure who asks").selectOption("booking");
    await b.page.getByRole("button", { name: "File it" }).click();
    await desk.getByText("waits for the operator").waitFor();
    await desk.getByText("29 days left").or(desk.getByText("30 days left")).waitFor();
    await emptied(b.page.getByLabel(/^Phone/));
    assert.ok(!(await b.page.content()).includes("4930901829"), "the address stays in the page");
    await accessible(b.page, "privacy requests");
    // For a guest whose thread is open, by all addresses known.
    await b.page.getByRole("button", { name: /Ada Lovelace/ }).click();
    await b.page.getByRole("button", { name: "File a request" }).click();
    await b.page.getByText("About Ada Lovelace").waitFor();
    await b.page.getByLabel("What was asked for").selectOption({ label: "Access to the data" });
    await b.page.getByLabel(/age key/).fill("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p");
    await b.page.getByLabel("Received on").fill(today);
    await b.page.getByRole("button", { name: "File it" }).click();
    await desk.getByRole("listitem").nth(1).waitFor();
    // The operator takes both, holds some of one back, and is heard of at once.
    await step({ desk: "taken" });
    await desk.getByText("partly kept by a hold").waitFor();
    await desk.getByText("Kept by hold court-12: Messages 2").waitFor();
    await desk.getByText("Done: Messages 9").waitFor();
    await b.page.getByRole("list", { name: "Legal holds" }).getByText("court order <b>12 O 345/26</b>").waitFor();
    // A complaint is answered by people, who name whom to turn to next.
    await b.page.getByLabel("What was asked for").selectOption({ label: "Complaint" });
    await b.page.getByLabel("Received on").fill(today);
    await b.page.getByRole("button", { name: "File it" }).click();
    await desk.getByText("waits for the operator").waitFor();
    await step({ desk: "taken" });
    await desk.getByText("It was answered").click();
    await desk.getByLabel("Answered on").fill(today);
    await desk.getByLabel(/^The body/).fill("Berliner Beauftragte");
    await desk.getByRole("button", { name: "Note the answer" }).click();
    await desk.getByText("May turn to: Berliner Beauftragte").waitFor();
    await b.page.getByText("Record a disclosure").click();
    await b.page.getByLabel(/^Who asked/).fill("Amtsgericht <i>Mitte</i>" + evil);
    await b.page.locator("[name=askedAt]").fill(today);
    await b.page.getByLabel("On what ground").fill("StPO 95");
    await b.page.getByLabel("What became of it").selectOption({ label: "refused" });
    await b.page.getByLabel(/^What was given/).fill("Nothing: it names nobody.");
    await b.page.getByLabel(/^How many guests/).fill("0");
    await b.page.getByLabel("The guests were told").uncheck();
    await b.page.getByLabel(/^Why they were not told/).fill("There was nothing to tell.");
    await accessible(b.page, "a disclosure that is typed");
    await b.page.getByRole("button", { name: "Record it" }).click();
    const log = b.page.getByRole("list", { name: "Disclosures" });
    await log.getByText("Amtsgericht <i>Mitte</i>" + evil).waitFor();
    await log.getByText("The guests were not told: There was nothing to tell.").waitFor();
    await accessible(b.page, "privacy requests that were taken");
    for (const [size, viewport] of [["wide", { width: 1280, height: 800 }], ["middle", { width: 800, height: 1000 }], ["narrow", { width: 390, height: 800 }]]) {
      await b.page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"]) {
        await b.page.emulateMedia({ colorScheme });
        await b.page.screenshot({ path: `${settings.output}/privacy-${size}-${colorScheme}.png` });
      }
    }
    await a.page.getByRole("button", { name: "Evidence" }).click();
    await a.page.getByText("Erasure: answered or ended").waitFor();
    assert.equal(await a.page.getByRole("button", { name: "Privacy", exact: true }).count(), 0, "a supervisor files requests");
    assert.equal(await a.page.evaluate(async () => (await fetch("/api/v1/privacy/requests")).status), 403);
    for (const { page, wrong, context } of [a, b]) {
      assert.equal(await page.evaluate(() => window.pwned), undefined);
      assert.deepEqual(wrong, []);
      await context.close();
    }
  },

  async "a testimonial is shown while the guest agrees, and no longer"() {
    const [a, b, c] = [await open(), await open(), await open()];
    await signIn(a.page);
    await signIn(b.page, "officer@hotel.example", chosen);
    await signIn(c.page, "night@hotel.example", chosen);
    const shown = await a.page.evaluate(async () => {
      const made = await fetch("/api/v1/integrations", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name: "site", scopes: ["testimonials:read"], expiresInDays: 1 }) });
      const { token } = await made.json();
      window.site = async () => (await fetch("/api/v1/testimonials", { credentials: "omit", headers: { Authorization: `Bearer ${token}` } })).text();
      return window.site();
    });
    assert.match(shown, /"testimonials":\[\]/);
    const praise = "A pearl by the sea" + evil;
    await step({ guest: 1, body: "Yes, do show my words" });
    for (const { page } of [a, c]) await page.getByRole("button", { name: /Ada Lovelace/ }).click();
    await a.page.getByText("Testimonials", { exact: true }).click();
    await a.page.getByText("There are no testimonials.").waitFor();
    await a.page.getByText("Record a testimonial").click();
    await a.page.getByLabel("The words that will be shown").fill(praise);
    await a.page.getByLabel(/^As the guest wants to be named/).fill("Ada, London");
    await a.page.getByLabel("Where they will be shown").fill("www.hotel.example");
    await a.page.getByRole("button", { name: "Record the testimonial" }).click(); // without a wording, the browser asks for it
    await a.page.getByLabel(/^What the guest was asked/).fill("May we show these words?");
    await a.page.getByLabel("How the guest agreed").selectOption("phone");
    await a.page.getByLabel("When the guest agreed").waitFor();
    await a.page.getByLabel("How the guest agreed").selectOption("message");
    await a.page.getByLabel("By which message").selectOption({ index: 0 });
    await accessible(a.page, "a testimonial that is typed");
    await a.page.getByRole("button", { name: "Record the testimonial" }).click();
    const beside = a.page.getByRole("list", { name: "Testimonials" });
    await beside.getByText(praise).waitFor();
    assert.equal(await beside.getByRole("listitem").count(), 1, "one was recorded without consent");
    await emptied(a.page.getByLabel("The words that will be shown"));
    await accessible(a.page, "a guest's testimonials");
    await a.page.getByText("Record a testimonial").click();
    await a.page.screenshot({ path: `${settings.output}/testimonial.png` });
    assert.match(await a.page.evaluate(() => window.site()), /A pearl by the sea/);
    // An officer sees all of them, and has to make sure of one that a backup brought back.
    await step({ step: "doubt" });
    await b.page.getByRole("button", { name: "Privacy", exact: true }).click();
    const all = b.page.getByRole("list", { name: "Testimonials" });
    await all.getByText(praise).waitFor();
    await all.getByText(/may have been withdrawn since/).waitFor();
    await accessible(b.page, "a testimonial that is doubted");
    await all.scrollIntoViewIfNeeded();
    await b.page.screenshot({ path: `${settings.output}/testimonials.png` });
    assert.doesNotMatch(await a.page.evaluate(() => window.site()), /A pearl by the sea/);
    await all.getByRole("button", { name: "They still agree" }).click();
    await all.getByRole("button", { name: "They still agree" }).waitFor({ state: "detached" });
    assert.match(await a.page.evaluate(() => window.site()), /A pearl by the sea/);
    // Whoever is told by the guest takes it away; one who may not record has no form for it.
    await c.page.getByText("Testimonials", { exact: true }).click();
    await c.page.getByText(praise).waitFor();
    assert.equal(await c.page.getByRole("button", { name: "Record the testimonial" }).count(), 0);
    await c.page.getByText("The guest withdraws it").click();
    await c.page.getByLabel("How they withdrew it").selectOption("phone");
    await accessible(c.page, "a withdrawal");
    await c.page.getByRole("button", { name: "Delete it" }).click();
    await c.page.getByText(/^Withdrawn .*, on the phone$/).waitFor();
    await all.getByText(/^Withdrawn/).waitFor(); // the officer's page is told
    for (const { page } of [b, c]) assert.ok(!(await page.content()).includes("A pearl by the sea"), "the words stay in a page");
    assert.match(await a.page.evaluate(() => window.site()), /"testimonials":\[\]/);
    for (const { page, wrong, context } of [a, b, c]) {
      assert.equal(await page.evaluate(() => window.pwned), undefined);
      assert.deepEqual(wrong, []);
      await context.close();
    }
  },

  async "an agent reports a child, in two steps"() {
    const a = await open();
    await signIn(a.page, "night@hotel.example", chosen);
    await a.page.getByRole("button", { name: /Grace Hopper/ }).click();
    await a.page.getByText("Report: this guest is under 16").click();
    await a.page.getByText("It cannot be taken back.").waitFor();
    await accessible(a.page, "a report of a child");
    await a.page.getByRole("button", { name: "Delete everything" }).click();
    await a.page.getByText("Reported.").waitFor();
    assert.equal(await a.page.evaluate(async () => (await fetch("/api/v1/privacy/requests")).status), 403);
    assert.deepEqual(a.wrong, []);
    await a.context.close();
  },

  async "another site's page changes no account, password or factor"() {
    const { page, context } = await open();
    await signIn(page);
    await signedIn(page);
    const site = createServer((_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<p>Hello</p>"));
    await new Promise((listening) => site.listen(0, "127.0.0.1", listening));
    const other = await context.newPage();
    await other.goto(`http://localhost:${site.address().port}/`);
    await other.evaluate(async (origin) => {
      for (const [method, path] of [["POST", "/invitations"], ["POST", "/me/second-factor"], ["PUT", "/me/password"], ["PATCH", "/settings"], ["POST", "/privacy/requests"], ["POST", "/privacy/disclosures"], ["POST", "/canned-replies"]]) {
        for (const mode of ["cors", "no-cors"]) await fetch(`${origin}/api/v1${path}`, { method, mode, credentials: "include", body: "{}" }).catch(() => {});
      }
    }, settings.origin);
    const left = await page.evaluate(async () => (await (await fetch("/api/v1/invitations")).json()).invitations.length);
    assert.equal(left, 0);
    site.close();
    await context.close();
  },

  async "it speaks German and Spanish"() {
    for (const [locale, signInWord, people] of [["de-DE", "Anmelden", "Personen"], ["es-ES", "Iniciar sesión", "Personas"]]) {
      const { page, context } = await open(undefined, { locale });
      await page.locator("[name=email]").fill(settings.email);
      await page.locator("[name=password]").fill(settings.password);
      await page.getByRole("button", { name: signInWord }).click();
      await page.getByRole("button", { name: people, exact: true }).click();
      await page.getByRole("heading", { name: people }).waitFor();
      await accessible(page, locale);
      await context.close();
    }
  },
};

await step({ step: "guests" });
await play(browser, tests);
