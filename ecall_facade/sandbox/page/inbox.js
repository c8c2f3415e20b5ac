/**
 * The sandbox's inbox. What messages contain is untrusted, so elements are created one by one and text is only ever
 * set as text: there is no innerHTML here, and no address that comes from a message.
 */

/** @typedef {{item: any, words: string, order: number, row: any}} Entry an item as the page keeps it */
/** @typedef {{number: string, entries: Map<string, Entry>, last: Entry, unseen: number, row: any}} Conversation */

// The address of this page. Only the browser knows it, as a reverse proxy may end TLS and serve the sandbox below a
// path. All other addresses are relative.
const BASE_URL = new URL(".", location.href).href.replace(/\/$/, "");
const SUCCESS = 200; // the only status that the service accepts from a receiver (documented)
const AT_ONCE = 200; // rows and bubbles that are drawn at first; more of them on demand
// Without a prototype, as what is looked up in them comes from messages.
const CHANNELS = { __proto__: null, Sms: "SMS", Whatsapp: "WhatsApp", Rcs: "RCS" };
const KINDS = {
  __proto__: null, Image: "Picture", Document: "Document", Audio: "Audio", Video: "Video", Sticker: "Sticker",
};
const STATES = {
  __proto__: null,
  Pending: ["○", "waits"], Scheduled: ["◷", "waits"], Sent: ["✓", "waits"], Delivered: ["✓✓", "good"],
  Undelivered: ["✕", "bad"], Failed: ["✕", "bad"], Refused: ["✕", "bad"], Unknown: ["?", "waits"],
  Reply: ["↩", "waits"],
};

const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const wide = matchMedia("(min-width: 700px)");
const format = (options) => new Intl.DateTimeFormat("en-GB", options);
const clock = format({ hour: "2-digit", minute: "2-digit" });
const exact = format({ dateStyle: "medium", timeStyle: "medium" });
const precise = format({ hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const dayOf = format({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
const shortDay = format({ day: "numeric", month: "short" });
const count = (/** @type {number} */ n) => n.toLocaleString("en");
const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** @type {Map<string, Entry>} */ let entries = new Map(); // by key, oldest first
/** @type {Map<string, Conversation>} */ let conversations = new Map(); // by number
let status = null;
let selected = readHash(); // a number, "" for requests without one, null for none
let lastOrder = 0;
let loadedOrder = 0; // items after it arrived while the page was open
let rowLimit = AT_ONCE;
let bubbleLimit = AT_ONCE;
let pinned = true; // the conversation is scrolled to its end, and stays there
let touched = 0; // when the user last did something that may scroll it
let fromList = false; // the browser's back leads to the list
const drafts = new Map();

// Small helpers

/** Create an element; strings among the children become text, null and false are left out. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value != null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null && child !== false && child !== ""));
  return element;
}

const hidden = (text) => make("span", { class: "hidden" }, text);
const asText = (value) => (typeof value === "string" ? value : value == null ? "" : JSON.stringify(value));
const cut = (text, length) => (text.length > length ? `${text.slice(0, length)} …` : text);

/** Give the parent exactly these children in this order, and move as few of them as possible. */
function arrange(parent, wanted) {
  const focused = document.activeElement;
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  let next = parent.firstElementChild;
  for (const child of wanted) {
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
  }
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

/** Return a number as people write it; anything else stays as it is. */
function readable(number) {
  const swiss = /^\+41(\d\d)(\d{3})(\d\d)(\d\d)$/.exec(number);
  if (swiss) return `+41 ${swiss.slice(1).join(" ")}`;
  const parts = /^\+(1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3})(\d{5,12})$/.exec(number);
  return parts ? `+${parts[1]} ${parts[2].replace(/(\d{3})(?=\d\d)/g, "$1 ")}` : number;
}

/** Return 0041… as +41… */
const plus = (number) => asText(number).replace(/^00(?=[1-9])/, "+");
const nameOf = (number) => (number === "" ? "Requests without a recipient" : readable(number));

function size(bytes) {
  if (bytes < 1000) return plural(bytes, "byte");
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

const stateOf = (item) => ({ refused: "Refused", inbound: "Reply" })[item.kind] ?? item.state;
const tone = (state) => (STATES[state] ?? STATES.Unknown)[1];
const mark = (state) => make("span", { class: "mark", "aria-hidden": "true" }, (STATES[state] ?? STATES.Unknown)[0]);
const captionOf = ({ content }) => asText(content.text ?? content.caption);
const fileNameOf = ({ content }) => asText(content.fileName ?? content.filename ?? content.name);
const kindOf = ({ content }) => KINDS[content.type] ?? "File";
const hasFile = ({ content }) => content.mediaId != null;

/** Return an item in one line. */
function summary(item) {
  if (!hasFile(item)) return captionOf(item) || item.reason || asText(item.content.type);
  return [kindOf(item), captionOf(item) || fileNameOf(item)].filter(Boolean).join(": ");
}

// Items and conversations

/** Add or update an item, and return whether it is new. */
function take(item, old = entries) {
  const known = entries.get(item.key);
  if (known) {
    known.item = item;
    known.words = wordsOf(item);
    updateBubble(known);
    return false;
  }
  const entry = { item, words: wordsOf(item), order: ++lastOrder, row: old.get(item.key)?.row };
  if (entry.row) updateBubble(entry);
  entries.set(item.key, entry);
  let conversation = conversations.get(item.number);
  if (!conversation) {
    conversation = { number: item.number, entries: new Map(), last: entry, unseen: 0, row: undefined };
    conversations.set(item.number, conversation);
  }
  conversation.entries.set(item.key, entry);
  conversation.last = entry;
  return true;
}

/** Return everything of an item that can be searched, in lower case. */
function wordsOf(item) {
  const { type, ...content } = item.content;
  return [item.number, item.sender, item.reason, item.id, ...Object.values(content).map(asText)].filter(Boolean).join("\n").toLowerCase();
}

function replaceAll(data) {
  const [oldEntries, oldConversations] = [entries, conversations];
  [entries, conversations, status] = [new Map(), new Map(), data.status];
  for (const item of data.items) take(item, oldEntries);
  for (const [number, conversation] of conversations) {
    const old = oldConversations.get(number);
    if (old) [conversation.row, conversation.unseen] = [old.row, old.unseen];
  }
  loadedOrder = lastOrder;
  if (oldEntries.size && !entries.size) { // cleared, here or elsewhere
    drafts.clear();
    history.replaceState(null, "", "#/");
    choose(null);
  }
  draw();
}

function takeChanges(data) {
  status = data.status;
  const news = [];
  for (const item of data.items) {
    // A change of one so old that it is not shown here.
    const full = entries.size >= status.shown && !entries.has(item.key);
    if (full && item.at < entries.values().next().value.item.at) continue;
    const before = entries.get(item.key)?.item.state;
    if (take(item)) {
      news.push(item);
      if (item.number !== selected || document.hidden) conversations.get(item.number).unseen += 1;
    } else if (before !== item.state && tone(item.state) === "bad") {
      news.push(item);
    }
    if (item.key === detailsKey) {
      refreshDetails();
      setTimeout(refreshDetails, 1000); // its notification is perhaps on the way
    }
  }
  for (const [key, { item }] of entries) {
    if (entries.size <= status.shown) break;
    entries.delete(key);
    const conversation = conversations.get(item.number);
    conversation.entries.delete(key);
    if (!conversation.entries.size) conversations.delete(item.number);
  }
  if (news.length === 1) {
    const [item] = news;
    $("news").textContent = `${nameOf(item.number)}: ${stateOf(item)}: ${cut(summary(item), 100)}`;
  } else if (news.length) {
    $("news").textContent = `${count(news.length)} messages are new or have failed`;
  }
  drawTitle(); // at once: a page in the background draws nothing
  draw();
}

// The connection. After a loss everything is loaded again, because another sandbox may be running now.

let source = null;
let attempt = 0;
let failures = 0;

async function connect() {
  const mine = ++attempt;
  source?.close();
  try {
    const response = await fetch("inbox/items");
    if (!response.ok) throw new Error(String(response.status));
    const data = await response.json();
    if (mine !== attempt) return;
    replaceAll(data);
    source = new EventSource(`inbox/events?since=${data.version}`);
    source.addEventListener("open", () => { failures = 0; showConnection("live", "Live"); });
    source.addEventListener("items", (event) => takeChanges(JSON.parse(event.data)));
    source.addEventListener("reset", connect);
    source.addEventListener("error", lost);
  } catch {
    if (mine === attempt) lost();
  }
}

function lost() {
  source?.close();
  showConnection("lost", "No connection to the sandbox; trying again …");
  setTimeout(connect, Math.min(500 * ++failures, 5000), ++attempt);
}

function showConnection(state, text) {
  const shown = $("connection");
  if (shown.dataset.state === state) return;
  shown.dataset.state = state;
  shown.textContent = text;
}

// The filter

function readFilter() {
  const query = $("query").value.trim().toLowerCase();
  // 079 123 finds +4179123…, however either is written.
  const digits = /^[+\d\s()./’-]+$/.test(query) ? query.replace(/\D/g, "").replace(/^0+/, "") : "";
  return { query, digits, channel: $("channel").value, state: $("state").value };
}

const isActive = (filter) => Boolean(filter.query || filter.channel || filter.state);

function passes({ item, words }, { query, digits, channel, state }) {
  if (channel && item.channel !== channel) return false;
  if (state && stateOf(item) !== state) return false;
  return !query || words.includes(query) || (digits !== "" && item.number.includes(digits));
}

// Drawing, at most once a frame, and only what has changed

let planned = false;
let isAsked = false; // the filter has changed, and a screen reader is to read the result

function draw() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(() => {
    planned = false;
    const filter = readFilter();
    if (selected === null && wide.matches && conversations.size) {
      const newest = [...entries.values()].at(-1);
      history.replaceState(null, "", hashOf(newest.item.number));
      selected = newest.item.number;
    }
    if (conversations.has(selected) && !document.hidden) conversations.get(selected).unseen = 0;
    drawTitle();
    drawStatus();
    drawList(filter);
    drawConversation(filter);
  });
}

function drawStatus() {
  if (!status) return;
  const { limits } = status;
  $("dropped").textContent = status.dropped
    ? `${plural(status.dropped, "old message was", "old messages were")} dropped.` : "";
  $("limits").textContent = "Everything is kept in memory until the sandbox ends: "
    + `at most ${plural(limits.messages, "message")}, ${plural(limits.media, "file")} and `
    + `${plural(limits.requests, "request")}. The oldest are dropped for newer ones, so far `
    + `${plural(status.dropped, "message")}. This page shows the newest ${count(status.shown)}. `
    + `Sandbox version ${status.version}.`;
  $("anyone").hidden = !status.any_credentials;
  $("clear").disabled = !entries.size;
}

function drawTitle() {
  const unseen = [...conversations.values()].reduce((sum, conversation) => sum + conversation.unseen, 0);
  document.title = `${unseen ? `(${unseen}) ` : ""}Inbox · eCall sandbox`;
}

function drawList(filter) {
  const found = [];
  let messages = 0;
  for (const conversation of conversations.values()) {
    let [matching, last] = [0, null];
    for (const entry of conversation.entries.values()) {
      if (passes(entry, filter)) [matching, last] = [matching + 1, entry];
    }
    messages += matching;
    if (last) found.push({ conversation, matching, last });
  }
  found.sort((a, b) => b.last.order - a.last.order);
  arrange($("conversations"), found.slice(0, rowLimit).map(drawRow));
  $("more").hidden = found.length <= rowLimit;
  $("no-filter").hidden = !isActive(filter);
  const text = `${plural(messages, "message")} in ${plural(found.length, "conversation")}`;
  $("count").textContent = text;
  if (isAsked) $("news").textContent = text;
  isAsked = false;
}

function drawRow({ conversation, matching, last }) {
  const { number, unseen } = conversation;
  const [item, state, current] = [last.item, stateOf(last.item), number === selected];
  const signature = [item.key, state, matching, unseen, current].join("\n");
  conversation.row ??= { li: make("li"), link: make("a", { href: hashOf(number) }), signature: "" };
  const { row } = conversation;
  if (row.signature === signature) return row.li;
  row.signature = signature;
  if (!row.link.parentNode) row.li.append(row.link);
  row.link.classList.toggle("unseen", unseen > 0);
  if (current) row.link.setAttribute("aria-current", "true");
  else row.link.removeAttribute("aria-current");
  row.link.replaceChildren(
    make("span", { class: "first" }, make("bdi", { class: "who" }, nameOf(number)), " ", timeOf(item.at, true)),
    make("span", { class: "second" },
      channelTag(item.channel), " ", make("span", { class: "snippet", dir: "auto" }, cut(summary(item), 120))),
    make("span", { class: "third" },
      make("span", { class: `state ${tone(state)}` }, mark(state), state), " ",
      unseen > 0 && make("span", { class: "badge" }, `${count(unseen)} new`), " ",
      make("span", { class: "quiet" }, plural(matching, "message")),
    ),
  );
  return row.li;
}

const classOf = (channel) => (channel in CHANNELS ? channel.toLowerCase() : "none");

function channelTag(channel) {
  return channel && make("span", { class: `channel ${classOf(channel)}` }, CHANNELS[channel] ?? channel);
}

function timeOf(at, withDay = false) {
  const date = new Date(at);
  const other = withDay && date.toDateString() !== new Date().toDateString();
  return make("time", { datetime: at, title: exact.format(date) }, (other ? shortDay : clock).format(date));
}

function drawConversation(filter) {
  const conversation = selected === null ? undefined : conversations.get(selected);
  document.body.dataset.view = selected === null ? "list" : "conversation";
  $("empty").hidden = selected !== null || conversations.size > 0 || !status;
  $("choose").hidden = selected !== null || !$("empty").hidden;
  $("chosen").hidden = selected === null;
  if (selected === null) return;
  const all = conversation ? [...conversation.entries.values()] : [];
  const matching = all.filter((entry) => passes(entry, filter));
  $("number").textContent = nameOf(selected);
  $("tally").textContent = matching.length === all.length
    ? plural(all.length, "message") : `${count(matching.length)} of ${plural(all.length, "message")} match the filter`;
  $("earlier").hidden = matching.length <= bubbleLimit;
  $("nothing").hidden = matching.length > 0;
  $("nothing").textContent = all.length ? "No message of this number matches the filter." : "There are no messages here.";
  const wanted = [];
  let day = "";
  for (const entry of matching.slice(-bubbleLimit)) {
    const here = dayOf.format(new Date(entry.item.at));
    if (here !== day) wanted.push(dayMark((day = here)));
    entry.row ??= makeBubble(entry.item, entry.order > loadedOrder);
    wanted.push(entry.row.li);
  }
  arrange($("bubbles"), wanted);
  if (pinned) toEnd();
  drawReply(conversation);
}

const dayMarks = new Map();

function dayMark(day) {
  if (!dayMarks.has(day)) dayMarks.set(day, make("li", { class: "day" }, make("h3", {}, day)));
  return dayMarks.get(day);
}

function toEnd() {
  $("scroll").scrollTop = $("scroll").scrollHeight;
}

// Bubbles, as on the recipient's phone: messages of the program on the left, replies on the right.

function makeBubble(item, isNew = false) {
  const row = { li: make("li"), state: make("p", { class: "state" }), file: JSON.stringify(item.media) };
  const sticker = item.content.type === "Sticker" && item.media?.kept;
  row.li.className = `${item.kind} ${classOf(item.channel)}${sticker ? " sticker" : ""}${isNew ? " new" : ""}`;
  const details = make("button", { type: "button", class: "link", "data-key": item.key },
    "Details", hidden(` of the message at ${clock.format(new Date(item.at))}`));
  const sender = readable(plus(item.sender));
  const who = item.kind === "inbound" ? ["Reply to ", make("bdi", {}, sender)] : [make("bdi", {}, sender)];
  const text = captionOf(item);
  row.li.append(make("article", { class: "bubble" },
    make("p", { class: "from" }, channelTag(item.channel), " ", make("span", { class: "sender" }, ...who)),
    hasFile(item) && makeMedia(item),
    text && make("p", { class: "text", dir: "auto" }, text),
    !text && !hasFile(item) && Object.keys(item.content).length > 0
      && make("p", { class: "text" }, cut(JSON.stringify(item.content), 2000)),
    item.others > 0 && make("p", { class: "note" }, `and ${plural(item.others, "more recipient")}`),
    make("p", { class: "note" }, timeOf(item.at),
      item.pages && ` · ${plural(item.pages, "page")} · ${item.encoding ?? ""}`, " · ", details),
  ), row.state);
  fillState(row.state, item);
  return row;
}

/** Bring a bubble up to date: only its state, or all of it if its file is gone. */
function updateBubble(entry) {
  if (!entry.row) return;
  if (entry.row.file === JSON.stringify(entry.item.media)) {
    fillState(entry.row.state, entry.item);
  } else {
    const row = makeBubble(entry.item);
    entry.row.li.replaceWith(row.li);
    entry.row = row;
  }
}

function fillState(place, item) {
  const [sign, name, why, bad] = stateWords(item);
  const signature = [name, why, bad].join("\n");
  if (place.dataset.signature === signature) return;
  place.dataset.signature = signature;
  place.className = `state ${bad ? "bad" : tone(sign)}`;
  place.replaceChildren(mark(sign), make("span", { class: "word" }, name), why && make("span", { class: "why" }, why));
}

/** Return the state whose mark is shown, its word, the reason, and whether it is bad. */
function stateWords(item) {
  if (item.kind === "refused") {
    return ["Refused", item.status === null ? "Not accepted" : `Refused, ${item.status}`, `: ${item.reason}`, true];
  }
  if (item.kind === "message") {
    const { errorCode, errorMessage } = item.error ?? {};
    const why = [errorCode, errorMessage].filter(Boolean).map(asText).join(": ");
    return [item.state, item.state, why && ` · ${why}`, tone(item.state) === "bad"];
  }
  const { response } = item;
  if (!response) return ["Pending", "Being sent to your program", "", false];
  if (response.status === null) return ["Failed", "Your program did not answer", `: ${asText(response.reason)}`, true];
  const good = response.status === SUCCESS;
  const body = response.body && `: ${cut(asText(response.body), 300)}`;
  return [good ? "Delivered" : "Failed", outcomeOf(response), body, !good];
}

function outcomeOf({ status }) {
  return `Your program answered ${status}${status === SUCCESS ? "" : `, but eCall requires ${SUCCESS}`}`;
}

function makeMedia(item) {
  const { media } = item;
  const name = fileNameOf(item);
  if (!media) return make("p", { class: "file" }, `${kindOf(item)} ${name || asText(item.content.mediaId)}`);
  if (!media.kept) return make("p", { class: "file" }, `${kindOf(item)} ${name} is no longer kept.`);
  const address = `inbox/media/${encodeURIComponent(asText(item.content.mediaId))}`;
  const label = name || captionOf(item) || `${kindOf(item)} from ${item.sender}`;
  const link = make("a", { class: "file", href: address, download: name || true },
    make("span", { class: "kind", "aria-hidden": "true" }, "↓"),
    make("span", {}, make("bdi", {}, name || kindOf(item)), make("span", { class: "quiet" },
      ` ${media.content_type} · ${size(media.size)}`)));
  const type = media.content_type.split("/")[0];
  let shown = null;
  if (type === "image") {
    shown = make("img", { src: address, alt: label, decoding: "async" });
  } else if (type === "audio" || type === "video") {
    shown = make(type, { src: address, controls: true, preload: "metadata", "aria-label": label });
  }
  shown?.addEventListener("error", () => shown.replaceWith(link)); // it cannot be shown
  return shown ?? link;
}

// Replies

const sending = new Set(); // the numbers from which a reply is under way
let replyOf = null; // the number whose channel was chosen for the reply

function drawReply(conversation) {
  if (conversation && replyOf !== selected) {
    replyOf = selected;
    const { channel } = conversation.last.item;
    $("reply-channel").value = channel in CHANNELS ? channel : "Sms";
  }
  $("reply").hidden = selected === "";
  const closed = !status?.inbound_url;
  $("nowhere").hidden = !closed;
  $("fields").disabled = closed;
}

async function reply(event) {
  event.preventDefault();
  const [number, text, channel] = [selected, $("reply-text").value, $("reply-channel").value];
  if (sending.has(number) || !text.trim()) return;
  sending.add(number);
  // When the response comes, the user may have typed on, or another conversation may be shown.
  const say = (words, how) => sayReply(selected === number ? words : `${nameOf(number)}: ${words}`, how);
  say("Sending …");
  // A person replies to the sender of the newest message.
  const all = [...(conversations.get(number)?.entries.values() ?? [])];
  const to = all.findLast(({ item }) => item.kind === "message" && item.channel === channel)?.item.sender;
  try {
    const response = await post("inbox/reply", { number, channel, text, ...(to && { to: plus(to) }) });
    const outcome = await response.json();
    if (!response.ok) throw new Error(outcome.error);
    if (selected === number && $("reply-text").value === text) $("reply-text").value = "";
    if (drafts.get(number) === text) drafts.delete(number);
    const good = outcome.status === SUCCESS;
    const body = outcome.body ? `: ${cut(asText(outcome.body), 200)}` : ".";
    say(outcome.status === null ? `Your program did not answer: ${asText(outcome.reason)}`
      : outcomeOf(outcome) + body, good ? "good" : "bad");
    if (selected !== number) return;
    pinned = true;
    toEnd();
  } catch (error) {
    say(`Not sent: ${error instanceof Error ? error.message : error}`, "bad");
  } finally {
    sending.delete(number);
  }
}

function sayReply(text, how = "") {
  $("reply-status").textContent = text;
  $("reply-status").className = how;
}

function post(path, body) {
  return fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

// Details

let detailsKey = null;

function showDetails(key) {
  detailsKey = key;
  $("copied").textContent = "";
  refreshDetails().then(() => { $("details").showModal(); $("details").scrollTop = 0; });
}

async function refreshDetails() {
  const key = detailsKey;
  if (key === null) return;
  let found = null;
  let problem = "The sandbox does not respond.";
  try {
    const response = await fetch(`inbox/items/${encodeURIComponent(key)}?${new URLSearchParams({ base_url: BASE_URL })}`);
    const data = await response.json();
    if (response.ok) found = data;
    else problem = asText(data.error);
  } catch {
    // `problem` says so
  }
  if (key === detailsKey) fillDetails(found, problem);
}

function fillDetails(found, problem) {
  for (const part of $("details").querySelectorAll("section, dl")) part.hidden = !found;
  $("gone").hidden = Boolean(found);
  $("gone").textContent = found ? "" : problem;
  $("no-request").hidden = !found || Boolean(found.request);
  if (!found) return;
  const { item, history: states, notifications, request, response, curl } = found;
  const what = { message: "", refused: "Refused: ", inbound: "Reply: " }[item.kind];
  const where = `${item.kind === "inbound" ? "from" : "to"} ${item.number ? readable(item.number) : "nobody"}`;
  $("details-title").textContent = `${what}${CHANNELS[item.channel] ?? "request"} ${where}`;
  const [, name, why] = stateWords(item);
  const facts = {
    State: name + why, Number: item.number, [item.kind === "inbound" ? "Sent to" : "Sender"]: item.sender,
    Time: exact.format(new Date(item.at)), Length: item.pages && `${plural(item.pages, "page")}, ${item.encoding}`,
    File: item.media && `${item.media.content_type}, ${size(item.media.size)}`, "Posted to": item.url,
    "Message id": item.id, "Request id": item.request_id, "List id": item.list_id,
  };
  $("facts").replaceChildren(...Object.entries(facts).filter(([, value]) => value).flatMap(
    ([term, value]) => [make("dt", {}, term), make("dd", {}, value)]));
  $("history-part").hidden = !states.length;
  $("history").replaceChildren(...states.map(({ state, at }) => make("li", {},
    make("span", { class: `state ${tone(state)}` }, mark(state), state), " ",
    make("time", { datetime: at }, precise.format(new Date(at))))));
  $("notifications-part").hidden = !notifications.length;
  $("notifications").replaceChildren(...notifications.map((n) => make("li", {},
    [`${n.state} to ${n.type} ${n.address}: ${n.outcome}`, n.status_code, n.reason].filter(Boolean).join(", "))));
  $("curl-part").hidden = !curl;
  $("curl").textContent = curl ?? "";
  fillPart("request", request, `${request?.method} ${request?.path}`, request?.body_cut && "the body is cut");
  fillPart("response", response, `${response?.status ?? "No response"}`, response?.note);
}

function fillPart(part, message, line, note) {
  $(`${part}-part`).hidden = !message;
  if (!message) return;
  $(`${part}-line`).replaceChildren(make("strong", {}, line), note ? ` · ${note}` : "");
  const headers = message.headers.map(([name, value]) => `${name}: ${value}`).join("\n");
  fillPre($(`${part}-headers`), headers);
  fillPre($(`${part}-body`), message.body ? pretty(message.body) : "");
}

function fillPre(place, content) {
  place.replaceChildren(content);
  place.hidden = !place.textContent;
}

/** Indent JSON without changing its values; leave what is not JSON as it is. */
function pretty(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  const laidOut = document.createDocumentFragment();
  let depth = 0;
  const newline = () => `\n${"  ".repeat(depth)}`;
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  tokens.forEach((token, i) => {
    const next = tokens[i + 1];
    if (token === "{" || token === "[") {
      const empty = next === "}" || next === "]";
      if (!empty) depth += 1;
      laidOut.append(token, empty ? "" : newline());
    } else if (token === "}" || token === "]") {
      const empty = tokens[i - 1] === "{" || tokens[i - 1] === "[";
      if (!empty) depth -= 1;
      laidOut.append(empty ? "" : newline(), token);
    } else if (token === ",") laidOut.append(token, newline());
    else if (token === ":") laidOut.append(": ");
    else laidOut.append(make("span", { class: next === ":" ? "name" : token[0] === '"' ? "string" : "other" }, token));
  });
  return laidOut;
}

async function copyCurl() {
  try {
    await navigator.clipboard.writeText($("curl").textContent);
    $("copied").textContent = "Copied.";
  } catch { // not allowed, or not there
    getSelection()?.selectAllChildren($("curl"));
    $("copied").textContent = "Selected: copy it with Ctrl+C.";
  }
}

// What the user does

function hashOf(number) {
  return number === "" ? "#/none" : `#/to/${encodeURIComponent(number)}`;
}

function readHash(hash = location.hash) {
  const [, number] = /^#\/to\/(.+)$/.exec(hash) ?? [];
  try {
    return hash === "#/none" ? "" : number === undefined ? null : decodeURIComponent(number);
  } catch {
    return null;
  }
}

function choose(number) {
  if (number === selected) return;
  if (selected !== null) drafts.set(selected, $("reply-text").value);
  const previous = selected;
  [selected, bubbleLimit, pinned] = [number, AT_ONCE, true];
  $("reply-text").value = drafts.get(number) ?? "";
  sayReply("");
  draw();
  requestAnimationFrame(() => {
    if (number === null) conversations.get(previous)?.row?.link.focus();
  });
}

/** Move in the list with the arrow keys, Home and End. */
function walk(event) {
  const links = [...$("conversations").querySelectorAll("a")];
  const here = links.indexOf(document.activeElement);
  const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: links.length - 1 }[event.key];
  if (here < 0 || to === undefined) return;
  event.preventDefault();
  links[to]?.focus();
}

function start() {
  $("python").textContent = `from ecall_facade import ECall

with ECall("USERNAME", "PASSWORD", base_url="${BASE_URL}") as ecall:
    ecall.sms.send("079 123 45 67", "Hello", sender="ACME")`;
  $("shell").textContent = `export ECALL_BASE_URL=${BASE_URL}\necall send "079 123 45 67" "Hello"`;

  addEventListener("hashchange", () => choose(readHash()));
  const refilter = () => {
    [rowLimit, isAsked] = [AT_ONCE, true];
    draw();
  };
  $("filter").addEventListener("input", refilter);
  $("filter").addEventListener("submit", (event) => event.preventDefault());
  $("filter").addEventListener("reset", () => { $("query").focus(); setTimeout(refilter); }); // once the fields are empty
  $("conversations").addEventListener("keydown", walk);
  $("conversations").addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    fromList = true;
    choose(readHash(link.hash));
    // With the keyboard, or when the list is no longer shown, the focus moves into the conversation.
    if (event.detail === 0 || !wide.matches) requestAnimationFrame(() => $("number").focus());
  });
  $("chosen").addEventListener("keydown", (event) => {
    if (event.key === "Escape" && wide.matches) conversations.get(selected)?.row?.link.focus();
  });
  $("back").addEventListener("click", (event) => {
    if (!fromList) return;
    event.preventDefault();
    fromList = false;
    history.back();
  });
  new IntersectionObserver(([seen]) => { if (seen.isIntersecting) showMore(); }).observe($("more"));
  $("more").addEventListener("click", showMore);
  $("earlier").addEventListener("click", () => {
    const first = $("bubbles").querySelector("button");
    [bubbleLimit, pinned] = [bubbleLimit + AT_ONCE, false];
    draw();
    requestAnimationFrame(() => first?.focus());
  });
  $("scroll").addEventListener("scroll", () => {
    const { scrollHeight, scrollTop, clientHeight } = $("scroll");
    if (scrollHeight - scrollTop - clientHeight < 60) pinned = true;
    else if (performance.now() - touched < 1000) pinned = false; // and not because a picture was loaded
  }, { passive: true });
  for (const act of ["wheel", "touchmove", "pointerdown", "keydown"]) {
    $("scroll").addEventListener(act, () => { touched = performance.now(); }, { passive: true });
  }
  new ResizeObserver(() => { if (pinned) toEnd(); }).observe($("bubbles"));
  $("bubbles").addEventListener("click", (event) => {
    const key = event.target.closest("[data-key]")?.dataset.key;
    if (key) showDetails(key);
  });
  $("details").addEventListener("close", () => { detailsKey = null; });
  $("details").addEventListener("click", (event) => { if (event.target === $("details")) $("details").close(); });
  $("copy").addEventListener("click", copyCurl);
  $("clear").addEventListener("click", () => { $("confirm").returnValue = ""; $("confirm").showModal(); });
  $("confirm").addEventListener("close", async () => {
    if ($("confirm").returnValue !== "clear") return;
    try {
      const response = await post("inbox/clear", {});
      if (!response.ok) throw new Error((await response.json()).error);
      await connect();
      $("news").textContent = "Everything is cleared.";
      $("query").focus();
    } catch (error) {
      $("connection").textContent = `Not cleared: ${error instanceof Error ? error.message : error}`;
    }
  });
  $("reply").addEventListener("submit", reply);
  $("reply-text").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || matchMedia("(pointer: coarse)").matches) return;
    event.preventDefault();
    $("reply").requestSubmit();
  });
  document.addEventListener("visibilitychange", draw);
  wide.addEventListener("change", draw);
  connect();
}

function showMore() {
  if ($("more").hidden) return;
  rowLimit += AT_ONCE;
  draw();
}

start();
