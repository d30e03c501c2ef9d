// Better Auth on SQLite, as its documentation sets it up, with the session refreshed at every call (updateAge: 0).
// Better Auth leaves the commits to SQLite's defaults: PRAGMAS says what else is set.
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import Database from "better-sqlite3";

const database = new Database(process.env.DATABASE);
for (const pragma of (process.env.PRAGMAS ?? "").split(",").filter(Boolean)) database.pragma(pragma);

const auth = betterAuth({
  database,
  baseURL: `http://127.0.0.1:${process.env.PORT}`,
  secret: process.env.SECRET,
  // Signing up is not measured: its slow hash would only make the start longer.
  emailAndPassword: { enabled: true, password: { hash: async (password) => password, verify: async () => true } },
  session: { updateAge: 0 },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
});
const { runMigrations } = await getMigrations(auth.options);
await runMigrations();

const server = createServer(toNodeHandler(auth));
server.keepAliveTimeout = 600_000;
server.listen(Number(process.env.PORT), "127.0.0.1");
