import { defineConfig } from "vite";

// Built for an instance to embed: nothing is inlined, which its policy for pages forbids, and nothing comes from elsewhere.
export default defineConfig({
  root: "src/inbox",
  base: "/inbox/",
  build: { outDir: "../../dist/inbox", emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false }, sourcemap: false },
});
