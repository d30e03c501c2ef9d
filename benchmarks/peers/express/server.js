// Refresh tokens as the common tutorials write them for Express and jsonwebtoken: kept in the memory of the process.
// VARIANT=array: secrets as strings, tokens in an array. VARIANT=set: KeyObjects made once, tokens in a Set.
import { createSecretKey } from "node:crypto";
import express from "express";
import jwt from "jsonwebtoken";

const tuned = process.env.VARIANT === "set";
const key = (secret) => (tuned ? createSecretKey(Buffer.from(secret)) : secret);
const accessSecret = key(process.env.ACCESS_SECRET);
const refreshSecret = key(process.env.REFRESH_SECRET);

let listed = [];
const known = new Set();
const remembers = (token) => (tuned ? known.has(token) : listed.includes(token));
const remember = (token) => (tuned ? known.add(token) : listed.push(token));
const forget = (token) => {
  if (tuned) known.delete(token);
  else listed = listed.filter((other) => other !== token);
};

let serial = 0;
const tokensOf = (user) => {
  const accessToken = jwt.sign({ name: user }, accessSecret, { expiresIn: "10m" });
  const refreshToken = jwt.sign({ name: user, jti: String(++serial) }, refreshSecret, { expiresIn: "30d" });
  remember(refreshToken);
  return { accessToken, refreshToken };
};

const app = express();
app.disable("x-powered-by");
if (tuned) app.disable("etag");
app.use(express.json());

app.post("/login", (request, response) => {
  response.json(tokensOf(request.body.username));
});

app.post("/token", (request, response) => {
  const token = request.body.token;
  if (token == null) return response.sendStatus(401);
  if (!remembers(token)) return response.sendStatus(403);
  jwt.verify(token, refreshSecret, (error, claims) => {
    if (error) return response.sendStatus(403);
    forget(token);
    response.json(tokensOf(claims.name));
  });
});

// A protected route: who is asking?
app.get("/me", (request, response) => {
  const token = request.headers.authorization?.split(" ")[1];
  if (token == null) return response.sendStatus(401);
  jwt.verify(token, accessSecret, { algorithms: ["HS256"], issuer: process.env.ISSUER, audience: process.env.ISSUER }, (error, claims) => {
    if (error) return response.sendStatus(403);
    response.json({ sub: claims.sub });
  });
});

const server = app.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("ready"));
server.keepAliveTimeout = 600_000;
