// Uses the pages of a client on a cluster, as guests, staff and a privacy officer do. Services and steps are reached by sockets in a folder,
// for the network namespace of this script has nothing but loopback.
import assert from "node:assert/strict";
import { request } from "node:http";
import { connect, createServer } from "node:net";
import { pipeline } from "node:stream";
import { accessible, launch, play, settings } from "./chromium.mjs";

const words = "a sentence of her own";
const patience = 60_000; // milliseconds

/** step has something happen elsewhere, and waits for it. */
const step = (name, query = {}) => new Promise((done, fail) => {
  const asked = request({ socketPath: settings.steps, path: `/${name}`, method: "POST" }, async (answer) => {
    let text = "";
    for await (const piece of answer) text += piece;
    if (answer.statusCode === 200) done();
    else fail(new Error(`${name}: ${text}`));
  });
  asked.on("error", fail);
  asked.end(JSON.stringify(query));
});

/** port gives one of loopback that leads to a socket. */
const port = (socket) => new Promise((listening) => {
  const server = createServer((near) => {
    const far = connect(socket);
    pipeline(near, far, near, () => {}); // either may break off
  });
  server.listen(0, "127.0.0.1", () => listening(server.address().port));
});

// In front of the client's services stands one host, whose router a browser's rules take the place of.
const office = await launch(`--host-resolver-rules=MAP ${settings.hostname}:443 127.0.0.1:${await port(settings.staff)}`);
const outside = await launch(`--host-resolver-rules=MAP ${settings.hostname}:443 127.0.0.1:${await port(settings.chat)}, MAP ${new URL(settings.site).host}:443 127.0.0.1:${await port(settings.siteSocket)}`);

/** open gives somebody a browser of their own. What goes wrong in its page is noted. */
async function open(browser, address) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: "en-GB", viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  const wrong = [];
  page.on("console", (message) => { if (message.type() === "error" && !/401|ERR_|WebSocket|502|503/.test(message.text())) wrong.push(message.text()); });
  page.on("pageerror", (error) => wrong.push(String(error)));
  await page.goto(address);
  return { page, wrong };
}

async function signIn(page, email, password) {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

/** member invites somebody, who chooses a password in a browser of their own, and signs in. */
async function member(supervisor, email, role) {
  await supervisor.getByRole("button", { name: "People", exact: true }).click();
  await supervisor.getByLabel("E-mail").fill(email);
  await supervisor.locator("select[name=role]").selectOption(role);
  await supervisor.getByRole("button", { name: "Make a link" }).click();
  const link = await supervisor.locator(".link code").innerText();
  await supervisor.getByRole("button", { name: "People", exact: true }).click();
  const other = await open(office, new URL(link, inbox).href);
  await other.page.getByLabel("New password").fill(words);
  await other.page.getByRole("button", { name: "Choose this password" }).click();
  await other.page.getByText(`Sign in as ${email}.`).waitFor();
  await signIn(other.page, email, words);
  return other;
}

const inbox = `https://${settings.hostname}/inbox/`;
const row = (page, text) => page.getByRole("navigation").getByRole("button", { name: text });
const supervisor = await open(office, inbox);
let night;

const tests = {
  async "a guest's text message is on the screens of two members of staff, and the provider is given the answer once"() {
    await signIn(supervisor.page, settings.email, settings.password);
    night = await member(supervisor.page, "night@hotel.example", "agent");
    await step("text", { from: settings.guest, body: "Is the pool open?" });
    for (const { page } of [supervisor, night]) await row(page, "Is the pool open?").click();
    await step("text", { from: settings.guest, body: "And the sauna?" });
    for (const { page } of [supervisor, night]) await page.getByRole("log").getByText("And the sauna?").waitFor();
    await night.page.getByLabel("Reply", { exact: true }).fill("Both until ten.");
    await night.page.getByRole("button", { name: "Send" }).click();
    await supervisor.page.getByRole("log").getByText("Both until ten.").waitFor();
    await step("given", { to: settings.guest, body: "Both until ten." });
    for (const { page } of [supervisor, night]) await page.locator(".message.out").getByText("delivered").waitFor(); // by the provider's own receipt
    await accessible(supervisor.page, "a thread");
    await supervisor.page.screenshot({ path: `${settings.output}/cluster-inbox.png` });
  },

  async "a guest's chat goes on over a cut network, a killed connector and a reload"() {
    const { page, wrong } = await open(outside, settings.site);
    const log = page.getByRole("log");
    const says = async (text) => {
      await page.getByRole("textbox").fill(text);
      await page.getByRole("textbox").press("Enter");
    };
    const answer = async (text) => {
      await supervisor.page.getByLabel("Reply", { exact: true }).fill(text);
      await supervisor.page.getByRole("button", { name: "Send" }).click();
      await supervisor.page.getByRole("log").getByText(text).waitFor();
    };
    await page.locator(".launcher").click();
    await page.getByRole("dialog").waitFor();
    await says("Do you have a crib?");
    await row(supervisor.page, "Do you have a crib?").click();
    await supervisor.page.getByRole("log").getByText("Do you have a crib?").waitFor();
    await answer("Yes, of wood.");
    await log.getByText("Yes, of wood.").waitFor();
    // What is said while the network is away comes both ways once it is back.
    await step("network", { is: "cut" });
    await page.getByRole("status").getByText("No connection").waitFor();
    await says("How long is it?");
    await answer("And it has a roof.");
    await step("network", { is: "whole" });
    await log.getByText("And it has a roof.").waitFor();
    await supervisor.page.getByRole("log").getByText("How long is it?").waitFor();
    // The same for a connector that is killed, and started again by its kubelet.
    await step("kill");
    await page.getByRole("status").getByText("No connection").waitFor();
    await says("We come at six.");
    await supervisor.page.getByRole("log").getByText("We come at six.").waitFor();
    await answer("Then it will be there.");
    await log.getByText("Then it will be there.").waitFor();
    await accessible(page, "the chat");
    await page.screenshot({ path: `${settings.output}/cluster-chat.png` });
    await page.reload();
    for (const text of ["Do you have a crib?", "Yes, of wood.", "How long is it?", "And it has a roof.", "We come at six.", "Then it will be there."]) {
      await log.getByText(text).waitFor({ state: "attached" });
      assert.equal(await log.getByText(text).count(), 1, `${text} is in the chat twice`);
      assert.equal(await supervisor.page.getByRole("log").getByText(text).count(), 1, `${text} is on the staff's screen twice`);
    }
    assert.deepEqual(wrong, []);
  },

  async "STOP is in plain sight at once, and nothing can be written any more"() {
    for (const { page } of [supervisor, night]) await row(page, /Both until ten|And the sauna/).click();
    await step("text", { from: settings.guest, body: "STOP" });
    for (const { page } of [supervisor, night]) {
      await page.getByText("This guest opted out and must not be written to.").waitFor();
      assert.equal(await page.getByLabel("Reply", { exact: true }).count(), 0);
    }
  },

  async "an account that is closed under use ends there at once"() {
    await supervisor.page.getByRole("button", { name: "People", exact: true }).click();
    await supervisor.page.getByRole("button", { name: "Close: night@hotel.example" }).click();
    await night.page.getByText("Your session has ended.").waitFor();
    assert.equal(await night.page.getByText("Is the pool open?").count(), 0, "a guest's words stay on the screen");
    await supervisor.page.getByRole("button", { name: "People", exact: true }).click();
  },

  async "an officer has a guest erased: the request is an object, is carried out, and the guest leaves the screens"() {
    await step("text", { from: settings.other, body: "Forget me, please." });
    await row(supervisor.page, "Forget me, please.").waitFor();
    const officer = await member(supervisor.page, "officer@hotel.example", "privacyOfficer");
    await officer.page.getByRole("button", { name: "Privacy", exact: true }).click();
    const desk = officer.page.getByRole("list", { name: "Privacy requests" });
    await row(officer.page, "Forget me, please.").click();
    await officer.page.getByRole("button", { name: "File a request" }).click();
    await officer.page.getByText(/^About /).waitFor();
    await officer.page.getByLabel("Received on").fill(new Date().toISOString().slice(0, 10));
    await officer.page.getByRole("button", { name: "File it" }).click();
    await desk.getByText("waits for the operator").waitFor();
    await step("erased");
    await desk.getByText(/^Done: .*Contacts 1/).waitFor();
    for (const { page } of [supervisor, officer]) await row(page, "Forget me, please.").waitFor({ state: "detached" });
    await step("given", { to: settings.guest, body: "Both until ten." }); // not twice, after all that
    await accessible(officer.page, "the privacy desk");
    await officer.page.screenshot({ path: `${settings.output}/cluster-desk.png` });
    for (const { wrong } of [supervisor, night, officer]) assert.deepEqual(wrong, []);
  },
};

await play(office, tests, () => step("network", { is: "whole" }));
