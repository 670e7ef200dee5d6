// Runs oidc-provider with its own pages to sign in, which take any password; its one argument is the settings as JSON.
// Each request is logged as method and path.
import { generateKeyPairSync } from "node:crypto";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { packages, url, client, people, more } = JSON.parse(process.argv[2]);
const found = createRequire(`${packages}/`).resolve("oidc-provider");
const { default: Provider } = await import(pathToFileURL(found));

const keys = [["rsa", { modulusLength: 2048 }], ["ec", { namedCurve: "P-256" }], ["ed25519", {}]].map(
  ([kind, options]) => generateKeyPairSync(kind, options).privateKey.export({ format: "jwk" }),
);
const provider = new Provider(url, {
  clients: [client],
  jwks: { keys },
  cookies: { keys: ["cookies of the tests"] },
  // Who signs in types the `sub` of a person.
  findAccount: (context, sub) => people[sub] && { accountId: sub, claims: () => ({ ...people[sub], sub }) },
  ...more,
});
provider.use(async (context, next) => {
  console.log(context.method, context.path);
  await next();
});
provider.listen(new URL(url).port, "127.0.0.1");
