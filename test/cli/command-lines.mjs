/** Runs many command lines in one process, as starting one takes longer than most of them. Prints what each gave and took. */
import { pathToFileURL } from "node:url";

const [main, rows] = process.argv.slice(2);
// The module runs the command line of its process when it is loaded.
process.argv = [process.argv[0], main, "run", "--list"];
const write = process.stdout.write.bind(process.stdout);
let output = "";
for (const stream of [process.stdout, process.stderr]) {
  stream.write = (chunk, ...more) => {
    output += chunk;
    for (const done of more) if (typeof done === "function") done();
    return true;
  };
}
const commandLine = await import(pathToFileURL(main));
const runs = [];
for (const args of JSON.parse(rows)) {
  output = "";
  const before = process.cpuUsage();
  const status = await commandLine.main(args);
  const { user, system } = process.cpuUsage(before);
  runs.push({ status, output, cpuSeconds: (user + system) / 1e6 });
}
process.exitCode = 0;
write(JSON.stringify({ runs, peakMib: process.resourceUsage().maxRSS / 1024 }));
