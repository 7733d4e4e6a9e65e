/** Runs many command lines in one process, as starting one takes longer than most of them. Prints what each gave and took. */
import { pathToFileURL } from "node:url";
import { peakKib } from "./peak.mjs";

const [module, rows] = process.argv.slice(2);
const write = process.stdout.write.bind(process.stdout);
let output = "";
for (const stream of [process.stdout, process.stderr]) {
  stream.write = (chunk, ...more) => {
    output += chunk;
    for (const done of more) if (typeof done === "function") done();
    return true;
  };
}
const { runCommandLine } = await import(pathToFileURL(module));
const runs = [];
for (const args of JSON.parse(rows)) {
  output = "";
  const before = process.cpuUsage();
  const status = await runCommandLine(args);
  const { user, system } = process.cpuUsage(before);
  runs.push({ status, output, cpuSeconds: (user + system) / 1e6 });
}
write(JSON.stringify({ runs, peakMib: peakKib() / 1024 }));
