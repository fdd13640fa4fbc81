import test from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

// A browser knows from its Content-Type that the file is a module.
const source = readFileSync(new URL("../assets/model.js", import.meta.url), "utf8");
const { Trends, figures, fill, isLost, language, toPutRight, tone, why } = await import("data:text/javascript," + encodeURIComponent(source));

const there = ["en", "zh-TW", "zh-CN", "ja"];

test("the language is the first wanted that there is", () => {
  for (const [wanted, want] of [
    [["zh-TW"], "zh-TW"], [["zh-Hant-TW", "en"], "zh-TW"], [["zh-HK"], "zh-TW"], [["zh-CN", "ja-JP"], "zh-CN"], [["zh-Hans"], "zh-CN"], [["zh"], "zh-CN"],
    [["ja-JP"], "ja"], [["fr", "de"], "en"], [["en-GB"], "en"], [[], "en"],
  ]) assert.equal(language(wanted, there), want, wanted.join());
});

test("texts are filled, also out of order", () => {
  assert.equal(fill("{2} of {1}, {0}", "a", 5, 3), "3 of 5, a");
  assert.equal(fill("{0}{3}", 0), "0");
});

test("figures add up, also of a status without parts", () => {
  assert.deepEqual(figures({}), { up: 0, servers: 0, inFlight: 0, sessions: 0, queued: 0 });
  assert.deepEqual(figures({
    servers: [{ state: "up", in_flight: 3, sessions: 2 }, { state: "down", in_flight: 0, sessions: 1 }], queue: { session: 1, flow: 4 },
  }), { up: 1, servers: 2, inFlight: 3, sessions: 3, queued: 5 });
});

test("a server's reasons are said once", () => {
  assert.deepEqual(why({ reason: "drain", behind: "drain", repairs_off: ["x"] }), ["drain", "x"]);
  assert.deepEqual(why({ reason: "" }), []);
});

test("what is to be put right is told, problems first", () => {
  assert.deepEqual(toPutRight({}), []);
  assert.deepEqual(toPutRight({ lead: { server: "s1" }, problems: ["a"] }), [{ kind: "", text: "a" }]);
  assert.deepEqual(toPutRight({ lead: { missed_schedules: ["m"], stranded_tickets: ["s", "t"], failed_commands: ["f"] }, problems: ["a"] }).map(({ kind, text }) => `${kind} ${text}`),
    [" a", "missed m", "stranded s", "stranded t", "commandFailed f"]);
});

test("a lead that nobody starts is lost", () => {
  assert.equal(isLost({ server: "s1", state: "starting" }), true);
  assert.equal(isLost({ server: "s1", state: "starting", doing: "starting the lead server s1" }), false);
  for (const state of ["lead", "none"]) assert.equal(isLost({ server: "s1", state }), false, state);
});

test("every state has its tone", () => {
  assert.deepEqual(["up", "down", "behind", "none", "something new"].map(tone), ["good", "bad", "warn", "", ""]);
});

test("trends end at the right edge, stay in their box and forget", () => {
  const trends = new Trends(3);
  const s = { pool: "omflow", name: "s1", capacity: 8, in_flight: 0 };
  for (const n of [1, 8, 20, 0]) trends.add([{ ...s, in_flight: n }]);
  const points = trends.points(s, 100, 22).split(" ").map((p) => p.split(",").map(Number));
  assert.deepEqual(points.map(([x]) => x), [0, 50, 100]);
  assert.ok(points.every(([, y]) => y >= 1 && y <= 21), points);
  assert.equal(points[1][1], 1);
  assert.equal(points[2][1], 21);
  trends.add([]);
  assert.equal(trends.points(s, 100, 22), "");
});
