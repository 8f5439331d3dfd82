import { defineConfig } from "vite";

// Built for the connectors of web chats to embed: one script, with its styles and words in it, for pages of others.
export default defineConfig({
  publicDir: false,
  build: {
    outDir: "dist/widget", emptyOutDir: false, target: "es2022", sourcemap: false,
    lib: { entry: "src/widget/main.ts", formats: ["iife"], name: "switchboardChat", fileName: () => "widget.js" },
  },
});
