// Compresses a file as a server sends it. Versions of zlib differ in what they make of the same file: what is right is left as it is.
import { readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";

const [path] = process.argv.slice(2);
const plain = readFileSync(path);
let before = Buffer.alloc(0);
try {
  before = gunzipSync(readFileSync(`${path}.gz`));
} catch { /* there is none yet */ }
if (!plain.equals(before)) writeFileSync(`${path}.gz`, gzipSync(plain, { level: 9 }));
