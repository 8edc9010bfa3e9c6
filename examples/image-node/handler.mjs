// A function that greets, and says which build it runs when deployguard asks.

import { canary } from "./deployguard-canary.cjs";

export const handler = canary(async (event) => {
  return { greeting: `Hello, ${event.name ?? "world"}!` };
});
