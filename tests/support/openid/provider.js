// A certified OpenID provider, with one client and people who are whoever they say. Arguments: the redirect URI.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [redirectUri] = process.argv.slice(2);
const server = createServer().listen(0, "127.0.0.1", () => {
  // Another site than Keyturn's, which is at 127.0.0.1.
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "keyturn",
        client_secret: "a secret of the client: with / and +",
        redirect_uris: [redirectUri],
        grant_types: ["authorization_code"],
        response_types: ["code"],
        id_token_signed_response_alg: "ES256",
      },
    ],
    jwks: { keys: JSON.parse(process.env.KEYS) },
    cookies: { keys: ["only for tests"] },
    pkce: { required: () => true },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true, name: "Olga Open" }),
    }),
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
