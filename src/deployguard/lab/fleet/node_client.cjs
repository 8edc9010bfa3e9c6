/**
 * What AWS's runtime client for Node.js has in C++, in JavaScript: fetching events, sending answers.
 *
 * Loaded before AWS's client where that was installed without being compiled; the rest of it, from
 * finding the handler to wording an error, is its own.
 */
"use strict";

const http = require("node:http");
const Module = require("node:module");

const NATIVE = "./rapid-client.node";
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 }); // so that calls keep their order

function call(method, path, body) {
  const options = { agent, host, port, method, path: `/2018-06-01/runtime/${path}` };
  return new Promise((resolve, reject) => {
    const request = http.request(options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => (text += part));
      response.on("end", () => resolve({ bodyJson: text, headers: response.headers }));
    });
    request.on("error", reject).end(body);
  });
}

function post(path, body) {
  call("POST", path, body).catch(() => process.exit(1)); // the lab has hung up
}

const client = {
  next: () => call("GET", "invocation/next"),
  done: (id, body) => post(`invocation/${id}/response`, body),
  error: (id, body) => post(`invocation/${id}/error`, body),
};

const load = Module._load;
Module._load = function (name, ...rest) {
  try {
    return load.call(this, name, ...rest);
  } catch (error) {
    if (name === NATIVE) return client;
    throw error;
  }
};
