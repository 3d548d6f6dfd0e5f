// Copyright 2026 The Tegata Authors.
// SPDX-License-Identifier: Apache-2.0

// A SAML service provider on @node-saml/node-saml. The library's options come as
// JSON in argv[2], with its certificate beside them for its metadata; the first
// line of output is its address. It ends when its standard input does.

import { createServer } from "node:http";
import { SAML } from "@node-saml/node-saml";

const maxBody = 1 << 20;
const options = JSON.parse(process.argv[2]);
let redirect;
let post;
let logout;
// Who logged in last, for a log-out that starts here.
let member;

async function form(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > maxBody) throw new Error("the form is too large");
    chunks.push(chunk);
  }
  return Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString("utf8")));
}

// told ends the session that a LogoutRequest names, and answers it; a
// LogoutResponse ends the log-out.
async function told({ profile, loggedOut }, relayState, response) {
  if (!profile) {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ loggedOut, relayState }));
    return;
  }
  const known = member?.nameID === profile.nameID && member?.sessionIndex === profile.sessionIndex;
  member = undefined;
  response.writeHead(303, { location: await redirect.getLogoutResponseUrlAsync(profile, relayState, {}, known) }).end();
}

async function answer(request, response) {
  // The library signs a space as %20 and sends it as +; it sends the others below escaped, and signs them as they are.
  const relayState = "/reports/2026?month=11&name=営業 (east)!'~*";
  const url = new URL(request.url, "http://service.invalid");
  switch (`${request.method} ${url.pathname}`) {
    case "GET /redirect":
      response.writeHead(302, { location: await redirect.getAuthorizeUrlAsync(relayState, undefined, {}) }).end();
      return;
    case "GET /post":
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(await post.getAuthorizeFormAsync(relayState));
      return;
    case "GET /metadata": {
      const metadata = redirect.generateServiceProviderMetadata(options.certificate, options.certificate);
      response.writeHead(200, { "content-type": "application/samlmetadata+xml" }).end(metadata);
      return;
    }
    case "POST /acs": {
      const fields = await form(request);
      const { profile } = await redirect.validatePostResponseAsync(fields);
      member = profile;
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ profile, relayState: fields.RelayState }));
      return;
    }
    case "GET /logout":
      response.writeHead(302, { location: await redirect.getLogoutUrlAsync(member, relayState, {}) }).end();
      return;
    case "GET /slo": {
      const fields = Object.fromEntries(url.searchParams);
      await told(await redirect.validateRedirectAsync(fields, url.search.slice(1)), fields.RelayState, response);
      return;
    }
    case "POST /slo": {
      const fields = await form(request);
      const result = fields.SAMLRequest ? await redirect.validatePostRequestAsync(fields) : await logout.validatePostResponseAsync(fields);
      await told(result, fields.RelayState, response);
      return;
    }
    case "GET /member":
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ profile: member ?? null }));
      return;
    default:
      response.writeHead(404).end();
  }
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    response.writeHead(403, { "content-type": "application/json" }).end(JSON.stringify({ error: error.message }));
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = `http://127.0.0.1:${server.address().port}`;
  const common = { ...options, callbackUrl: `${address}/acs` };
  redirect = new SAML(common);
  // The POST binding does not compress (SAML bindings 3.5.4); the library leaves that to its user.
  // One cache for both: responses to either are taken at /acs.
  post = new SAML({ ...common, cacheProvider: redirect.cacheProvider, authnRequestBinding: "HTTP-POST", skipRequestCompression: true });
  // In a LogoutResponse that comes by POST the library looks for InResponseTo where only a Response has it.
  logout = new SAML({ ...common, validateInResponseTo: "ifPresent" });
  console.log(address);
});
process.stdin.resume().on("end", () => process.exit(0));
