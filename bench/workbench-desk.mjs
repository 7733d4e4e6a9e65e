/**
 * `node workbench-desk.mjs FILE`: opens a file at the desk of the workbench, as the page's worker does.
 *
 * @module
 */

import { openAsBlob } from "node:fs";
import { Desk } from "../dist/workbench/desk/desk.js";

const name = process.argv[2];
const desk = new Desk(
  ({ what, message }) => {
    if (what === "failed") throw new Error(message);
  },
  () => performance.now(),
);
await desk.take({ call: "open", id: 1, file: 1, name, data: await openAsBlob(name) });
