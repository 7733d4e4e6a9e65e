/**
 * `node workbench-desk.mjs desk|check FILE`: opens a file at the desk of the workbench, as the page's worker does, or checks it. Both
 * read it in the same way, as the browser gives files.
 *
 * @module
 */

import { openAsBlob } from "node:fs";
import { checkTrace } from "../dist/check/index.js";
import { Desk } from "../dist/workbench/desk/desk.js";

const [what, name] = process.argv.slice(2);
const data = await openAsBlob(name);
if (what === "check") await checkTrace(data, { name });
else {
  const desk = new Desk(
    ({ what: answer, message }) => {
      if (answer === "failed") throw new Error(message);
    },
    () => performance.now(),
  );
  await desk.take({ call: "open", id: 1, file: 1, name, data });
}
