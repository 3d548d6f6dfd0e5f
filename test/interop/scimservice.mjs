// Copyright 2026 The Tegata Authors.
// SPDX-License-Identifier: Apache-2.0

// A SCIM 2.0 service on scimmy, which keeps users and groups in memory. Options
// come as JSON in argv[2]: token is the bearer token, the password of the user
// tegata, and the secret of the OAuth client tegata, which gets tokens at
// /oauth2/token; patch tells whether PATCH is taken. The first line of output is
// its address. It ends when its standard input does.

import { randomUUID } from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const options = JSON.parse(process.argv[2]);
const users = new Map();
const groups = new Map();

const same = (a, b) => a !== undefined && a.toLowerCase() === b?.toLowerCase();

// kept makes the handlers of one resource type. Values named by unique differ
// between resources; complete adds what the service itself knows of one.
function kept(resources, unique, complete) {
  const find = (id) => {
    const found = resources.get(id);
    if (!found) throw new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
    return found;
  };
  return {
    ingress(resource, data) {
      const before = resource.id ? find(resource.id) : undefined;
      for (const other of resources.values()) {
        for (const name of unique) {
          if (other !== before && same(other[name], data[name])) {
            throw new SCIMMY.Types.Error(409, "uniqueness", `${name} is taken`);
          }
        }
      }
      const now = new Date();
      const after = {
        ...JSON.parse(JSON.stringify(data)),
        id: before?.id ?? randomUUID(),
        meta: { created: before?.meta.created ?? now, lastModified: now },
      };
      const whole = complete(after); // what it refuses is not kept
      resources.set(after.id, after);
      return whole;
    },
    egress(resource) {
      if (resource.id) return complete(find(resource.id));
      const all = [...resources.values()].map(complete);
      return resource.filter ? resource.filter.match(all) : all;
    },
    degress(resource) {
      find(resource.id);
      resources.delete(resource.id);
      for (const group of groups.values()) {
        group.members = group.members?.filter(({ value }) => value !== resource.id);
      }
    },
  };
}

const user = (data) => data;
const group = (data) => {
  for (const { value } of data.members ?? []) {
    if (!users.has(value)) throw new SCIMMY.Types.Error(400, "invalidValue", `there is no user ${value}`);
  }
  return data;
};

SCIMMY.Resources.declare(SCIMMY.Resources.User, kept(users, ["userName", "externalId"], user));
SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser);
SCIMMY.Resources.declare(SCIMMY.Resources.Group, kept(groups, ["displayName", "externalId"], group));

const basic = `Basic ${Buffer.from(`tegata:${options.token}`).toString("base64")}`;
const given = new Set([basic, `Bearer ${options.token}`]);

const routers = new SCIMMYRouters({
  type: "bearer",
  handler: (request) => {
    if (!given.has(request.header("authorization"))) throw new Error("the credentials are wrong");
    return "tegata";
  },
});
SCIMMY.Config.set({ patch: options.patch, bulk: false, filter: 50 });

// strict refuses what the standard does not allow, and the library does not mind.
function strict(request, response, next) {
  const refuse = (status, scimType, message) => response.status(status).send(new SCIMMY.Messages.Error({ status, scimType, message }));
  if (["POST", "PUT", "PATCH"].includes(request.method) && request.header("content-type") !== "application/scim+json") {
    return refuse(415, null, "the body must be application/scim+json");
  }
  if (!request.header("accept")?.includes("application/scim+json")) return refuse(406, null, "application/scim+json must be accepted");
  if (request.method === "PATCH" && !options.patch) return refuse(501, null, "PATCH is not supported");
  for (const { op, path, value } of request.body?.Operations ?? []) {
    if (!["add", "replace", "remove"].includes(op)) return refuse(400, "invalidSyntax", `${op} is no operation`);
    if (path === undefined) return refuse(400, "invalidPath", "every operation needs a path");
    if (op === "remove" && value !== undefined) return refuse(400, "invalidSyntax", "a removal has no value");
    if (path === "active" && typeof value !== "boolean") return refuse(400, "invalidValue", "active must be true or false");
  }
  const paths = (request.body?.Operations ?? []).map(({ path }) => path);
  if (new Set(paths).size !== paths.length) return refuse(400, "invalidSyntax", "two operations have the same path");
  if (request.body?.active !== undefined && typeof request.body.active !== "boolean") return refuse(400, "invalidValue", "active must be true or false");
  next();
}

const app = express();
app.post("/oauth2/token", express.urlencoded({ extended: false }), (request, response) => {
  // The ID and the secret of a client are form-encoded first (RFC 6749 section 2.3.1).
  const [id, secret] = Buffer.from((request.header("authorization") ?? "").slice("Basic ".length), "base64").toString().split(":").map(decodeURIComponent);
  if (id !== "tegata" || secret !== options.token || request.body.grant_type !== "client_credentials") {
    return response.status(401).send({ error: "invalid_client" });
  }
  const token = randomUUID();
  given.add(`Bearer ${token}`);
  response.send({ access_token: token, token_type: "Bearer", expires_in: 3600, scope: request.body.scope });
});
app.use(express.json({ type: ["application/scim+json", "application/json"] }));
app.use("/scim/v2", (request, response, next) => {
  response.setHeader("content-type", "application/scim+json");
  strict(request, response, next);
});
app.use("/scim/v2", routers);
const server = app.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/scim/v2`));
process.stdin.resume().on("end", () => process.exit(0));
