/**
 * What a container answers to a canary: which build it runs, who it is, what it has served.
 *
 * One file, no dependencies, Node.js 18 and later: copy it into an image under any name that ends
 * in .cjs, which CommonJS requires and ES modules import.
 */
"use strict";

const { randomBytes } = require("node:crypto");
const fs = require("node:fs");

const STAMP_PATH = "/var/task/build-stamp.json";
const STAMP_SCHEMA = "deployguard/stamp/v1";
const STAMP_BYTES = 16 * 1024;
const STAMP_FIELDS = ["revision", "version", "created", "source"];
const LONGEST_HOLD_MS = 10_000;
const LONGEST_TEST_MS = 5_000;
const LONGEST_DETAIL = 1_000; // characters
const MARGIN_MS = 500; // what a hold or a self-test leaves of the function's timeout
const NONCE = /^[0-9a-fA-F]{32}$/;
const BUILD_ID = /^[A-Za-z0-9._:+-]+$/;
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;
const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");

const container = randomBytes(16).toString("hex");
const born = Date.now() / 1000;
const started = performance.now();
const logs = process.env.DEPLOYGUARD_LOG || "birth";
const isLambda = "AWS_LAMBDA_RUNTIME_API" in process.env; // no test of a handler is to print
let invocations = 0;
let calls = 0; // those of the invocations that are no canaries
let stampRead = null;
let isTesting = false; // a self-test was started and has not ended

/**
 * Answer canaries in front of a handler; every other event reaches it unchanged.
 *
 * The self-test is called when a canary asks for it: to throw, to reject or to return false is to
 * fail. A handler that streams its response is returned as it is.
 */
function canary(handler, options) {
  if (typeof handler !== "function" || handler[STREAMING] !== undefined) return handler;
  function guarded(...given) {
    const answer = isStream(given[1]) ? null : breadcrumb(given[0], given[1], options);
    return answer === null ? handler.apply(this, given) : answer;
  }
  // NOTE: Lambda tells by the number of its parameters whether a handler wants a callback.
  return Object.defineProperties(Object.assign(guarded, handler), {
    name: { value: handler.name, configurable: true },
    length: { value: handler.length, configurable: true },
  });
}

/** Return a promise of the answer to a canary, or null for an ordinary event. */
function breadcrumb(event, context, options) {
  try {
    invocations += 1;
    const request = requestIn(event);
    const isCanary = request !== null;
    if (isLambda && isTold(invocations, isCanary)) log(self(context, invocations), isCanary);
    if (!isCanary) return null;
    const received = Date.now() / 1000;
    return answer(request, context, { invocation: invocations, received }, options?.selfTest);
  } catch {
    return null; // whatever is wrong here, it is not worth an invocation
  }
}

// NOTE: nothing may stand beside the key. Events from HTTP, queues and buses always carry keys of
// their own, so that whoever can only send those cannot ask for a breadcrumb.
function requestIn(event) {
  if (!isObject(event) || Object.keys(event).join() !== "deployguard") return null;
  const request = event.deployguard;
  if (!isObject(request) || request.canary !== 1) return null;
  return typeof request.nonce === "string" && NONCE.test(request.nonce) ? request : null;
}

/** Say who this container is, and which invocation this is. */
function self(context, invocation) {
  const text = (name, variable) => {
    const value = attempt(() => context[name]);
    return typeof value === "string" ? value : (process.env[variable] ?? "");
  };
  return {
    container,
    born,
    invocation,
    function_version: text("functionVersion", "AWS_LAMBDA_FUNCTION_VERSION"),
    invoked_arn: text("invokedFunctionArn"),
    log_stream: text("logStreamName", "AWS_LAMBDA_LOG_STREAM_NAME"),
    request_id: text("awsRequestId"),
  };
}

async function answer(request, context, { invocation, received }, selfTest) {
  const tested = await toldOf(selfTest, request, remainingMs(context));
  const { stamp, error } = readStamp();
  await sleep(within(request.hold_ms, LONGEST_HOLD_MS, remainingMs(context)));
  const crumb = {
    breadcrumb: 1,
    nonce: request.nonce,
    stamp,
    ...self(context, invocation),
    received,
    released: Date.now() / 1000,
    initialization_type: process.env.AWS_LAMBDA_INITIALIZATION_TYPE ?? "",
    uptime_s: uptime(),
    remaining_ms: remainingMs(context),
    ...tested,
  };
  return { deployguard: error === null ? crumb : { ...crumb, stamp_error: error } };
}

function isTold(invocation, isCanary) {
  if (!isCanary) calls += 1;
  // Its birth, and its first call where a canary gave birth to it: so each that served is told.
  const isFirstCall = !isCanary && calls === 1;
  return logs === "invocation" || (logs !== "off" && (invocation === 1 || isFirstCall));
}

/** Write one line that is JSON by itself, which Lambda passes on in either log format. */
function log(fields, isCanary) {
  const { stamp } = readStamp();
  const line = {
    line: 1,
    event: fields.invocation === 1 ? "birth" : "invocation",
    build_id: stamp && stamp.build_id,
    ...fields,
    at: Date.now() / 1000,
    uptime_s: uptime(),
    canary: isCanary,
    logs,
  };
  // NOTE: not by process.stdout, which tells of a failure by an event that ends the process, nor by
  // console.log, which Lambda makes part of a line of its own.
  attempt(() => fs.writeSync(1, JSON.stringify({ deployguard: line }) + "\n"));
}

/** Run the self-test where there is one and it is asked for, and say how it ended. */
async function toldOf(selfTest, request, remaining) {
  if (typeof selfTest !== "function" || request.self_test !== true) return {};
  const began = performance.now();
  const limit = within(LONGEST_TEST_MS, LONGEST_TEST_MS, remaining);
  const outcome = await outcomeWithin(limit, selfTest);
  return { self_test: { ...outcome, seconds: (performance.now() - began) / 1000 } };
}

// Nothing can end a promise that hangs: it is left alone, and no second one is started beside it.
async function outcomeWithin(milliseconds, selfTest) {
  if (isTesting) return { ok: null, detail: "an earlier self-test has not ended" };
  isTesting = true;
  const ended = new Promise((resolve) => resolve(selfTest()))
    .then(outcomeOf)
    .catch((error) => ({ ok: false, detail: className(error) })) // its message may hold secrets
    .finally(() => {
      isTesting = false;
    });
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds, { ok: null, detail: "timed out" });
  });
  const outcome = await Promise.race([ended, late]);
  clearTimeout(timer);
  return outcome;
}

/** Say what a self-test's result means; an object may tell it under "ok". */
function outcomeOf(result) {
  if (result === undefined || result === null || typeof result === "boolean") {
    return { ok: result !== false, detail: "" };
  }
  if (typeof result === "string") return { ok: true, detail: result.slice(0, LONGEST_DETAIL) };
  if (!isObject(result)) {
    return { ok: null, detail: `returned a ${Array.isArray(result) ? "list" : typeof result}` };
  }
  const detail = attempt(() => JSON.stringify(result)) ?? "not JSON";
  const ok = "ok" in result ? result.ok === true : true;
  return { ok, detail: detail.length <= LONGEST_DETAIL ? detail : "too long" };
}

/** Read the stamp, once and not before the first invocation; or say shortly why it is unusable. */
function readStamp() {
  stampRead ??= attempt(() => stampAt(process.env.DEPLOYGUARD_STAMP || STAMP_PATH), unusable);
  return stampRead;
}

function stampAt(path) {
  const found = fs.statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return unusable("missing");
  if (!found.isFile()) return unusable("not a regular file"); // opening a pipe would wait for ever
  const content = firstBytes(path, STAMP_BYTES + 1);
  if (content.length > STAMP_BYTES) return unusable("larger than 16 KiB");
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const fields = attempt(() => JSON.parse(decoder.decode(content)));
  return fields === undefined ? unusable("not JSON in UTF-8") : checked(fields);
}

function firstBytes(path, most) {
  const buffer = Buffer.alloc(most);
  const file = fs.openSync(path, "r");
  try {
    let length = 0;
    for (let count = 1; count > 0; length += count) {
      count = fs.readSync(file, buffer, length, most - length, null);
    }
    return buffer.subarray(0, length);
  } finally {
    fs.closeSync(file);
  }
}

function checked(fields) {
  if (!isObject(fields)) return unusable("not a JSON object");
  if (fields.schema !== STAMP_SCHEMA) return unusable(`schema is not ${STAMP_SCHEMA}`);
  const id = fields.build_id;
  if (typeof id !== "string" || id === "" || Array.from(id).length > 128) {
    return unusable("build_id is not a text of 1 to 128 characters");
  }
  if (!BUILD_ID.test(id)) {
    return unusable("build_id has characters other than A-Z a-z 0-9 . _ : + -");
  }
  const stamp = { schema: STAMP_SCHEMA, build_id: id };
  for (const name of STAMP_FIELDS) if (isShort(fields[name])) stamp[name] = fields[name];
  return { stamp, error: null };
}

function isShort(value) {
  if (typeof value !== "string" || UNPRINTABLE.test(value)) return false;
  return value !== "" && Array.from(value).length <= 512;
}

function unusable(reason) {
  if (typeof reason === "string") return { stamp: null, error: reason };
  return { stamp: null, error: `unreadable: ${reason.code ?? className(reason)}` };
}

function remainingMs(context) {
  const left = attempt(() => context.getRemainingTimeInMillis());
  return Number.isFinite(left) ? Math.trunc(left) : null; // null: not a Lambda context
}

/** Return how many milliseconds may be spent: what is wanted, in bounds, and in time. */
function within(wanted, cap, remaining) {
  if (typeof wanted !== "number" || !(wanted > 0)) return 0; // NaN too
  const longest = remaining === null ? cap : remaining - MARGIN_MS;
  return Math.max(0, Math.trunc(Math.min(wanted, longest, cap)));
}

function sleep(milliseconds) {
  return milliseconds > 0 ? new Promise((resolve) => setTimeout(resolve, milliseconds)) : null;
}

function uptime() {
  return (performance.now() - started) / 1000;
}

function isObject(value) {
  return Object.prototype.toString.call(value) === "[object Object]";
}

function isStream(value) {
  return attempt(() => typeof value.write === "function") === true;
}

function className(error) {
  const name = attempt(() => error.constructor.name);
  return typeof name === "string" && name !== "" ? name.slice(0, 100) : typeof error;
}

function attempt(action, instead = () => undefined) {
  try {
    return action();
  } catch (error) {
    return instead(error);
  }
}

module.exports = { breadcrumb, canary };
