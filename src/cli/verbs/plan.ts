import { IommuError } from "../../base/errors.ts";
import { hex, hex64 } from "../../base/u64.ts";
import { formatCount, formatSize, formatTime } from "../../base/units.ts";
import { textOf } from "../../formats/input/text.ts";
import { explainDdwLog } from "../../lab/ddw-log.ts";
import { type Plan, planMachine, planToJson } from "../../lab/plan.ts";
import type { PlanNote } from "../../lab/plan-note.ts";
import { plannedWindowToJson } from "../../lab/planned-windows.ts";
import { type Answer, type AnswerOptions, printAnswer } from "../answer.ts";
import { displayName } from "../display-name.ts";
import { Exit } from "../exit-status.ts";
import { openInput } from "../input.ts";
import { readMachineFile } from "../machine-file.ts";
import { MACHINE_FILE } from "../machine-file-kinds.ts";
import { answerOptions, flag, text } from "../options.ts";
import { print, toJson } from "../output.ts";
import { printTable } from "../table.ts";
import { defineVerb, type Verb } from "../verb.ts";

interface PlanVerbOptions extends AnswerOptions {
  readonly kernel: string | undefined;
  readonly container: "v1" | "v2";
  readonly passThrough: boolean;
  readonly qemu: string | undefined;
  readonly from: string | undefined;
}

/** What libvirt adds to a guest's memory for QEMU itself when it sets a limit. */
const QEMU_BYTES = 2n ** 30n;

/** `plan FILE`: which windows a machine's guest will ask for, whether it gets them, and what they cost the host. */
async function plan(path: string | undefined, options: PlanVerbOptions): Promise<number> {
  if (path === undefined || options.from !== undefined) return explain(path, options);
  const name = displayName(path);
  const description = await readMachineFile(path);
  const { kernel, container, passThrough } = options;
  const qemuVersion = options.qemu ?? description.qemuVersion;
  const planned = planMachine(
    { ...description, qemuVersion },
    { kernel, container: `spapr-${container}`, passThrough },
  );
  const answer: Answer = {
    human: () => printPlan(name, planned),
    json: () => [toJson(planToJson(planned))],
    columns: ["owner", "liobn", "busOffset", "size", "pageShift", "entries", "mapped"],
    rows: () => planned.windows.map(plannedWindowToJson),
  };
  await printAnswer(answer, options);
  return statusOf(planned.notes);
}

/** `plan --from LOG`: what a guest's own log says of its windows, and what would help. */
async function explain(path: string | undefined, options: PlanVerbOptions): Promise<number> {
  const { from } = options;
  if (from === undefined)
    throw new IommuError("BAD_ARGUMENT", "name a description of a machine, or --from a log");
  if (path !== undefined)
    throw new IommuError("BAD_ARGUMENT", `${path} and --from ${from}: name one of them`);
  const name = displayName(from);
  const { lines, notes } = explainDdwLog(await textOf(openInput(from), name));
  if (lines === 0) {
    throw new IommuError(
      "UNSUPPORTED",
      `${name}: no line of a guest's kernel tells of DMA windows; is it the guest's dmesg, from its boot on?`,
    );
  }
  const answer: Answer = {
    human: () => printNotes(notes),
    json: () => [toJson({ lines, notes })],
    columns: ["severity", "text", "rules"],
    rows: () => notes.map((note) => ({ ...note, rules: note.rules.join(" ") })),
  };
  await printAnswer(answer, options);
  return statusOf(notes);
}

function statusOf(notes: readonly PlanNote[]): number {
  const has = (wanted: PlanNote["severity"]): boolean => notes.some(({ severity }) => severity === wanted);
  return has("error") ? Exit.WRONG : has("warning") ? Exit.LEAKS : Exit.OK;
}

function printNotes(notes: readonly PlanNote[]): void {
  for (const { severity, text: what, rules } of notes) {
    const head = severity === "info" ? "" : `${severity}: `;
    print(`${head}${what}${rules.length === 0 ? "" : ` (${rules.join(", ")})`}`);
  }
}

async function printPlan(name: string, { kernel, windows, locked, migration, notes }: Plan): Promise<void> {
  print(`${name} with ${kernel} as its guest\n`);
  await printTable(
    [
      { head: "window of" },
      { head: "LIOBN" },
      { head: "bus address" },
      { head: "size", align: "right" },
      { head: "page", align: "right" },
      { head: "entries", align: "right" },
      { head: "mapped", align: "right" },
    ],
    windows.map(({ owner, liobn, busOffset, size, pageShift, entries, mapped }) => [
      owner,
      hex(liobn),
      hex64(busOffset),
      formatSize(size),
      formatSize(2 ** pageShift),
      formatCount(entries),
      formatCount(mapped),
    ]),
  );
  if (locked !== null) await printLocked(locked);
  const bytes = migration.reduce((sum, forecast) => sum + forecast.bytes, 0);
  const seconds = migration.reduce((sum, forecast) => sum + forecast.seconds, 0);
  print(`\nmigration: ${formatSize(bytes)} of tables, ${formatTime(seconds)} of standstill`);
  for (const { warnings } of migration) for (const warning of warnings) print(`warning: ${warning}`);
  if (notes.length > 0) print("");
  printNotes(notes);
}

async function printLocked({ container, tables, ...steps }: NonNullable<Plan["locked"]>): Promise<void> {
  print(`\nlocked memory, with a container of version ${container.at(-1)}:`);
  await printTable(
    [{ head: "when" }, { head: "locked", align: "right" }],
    [
      ["QEMU has started", formatSize(steps.atStart)],
      ["devices are plugged", formatSize(steps.withDevices)],
      ["the guest has booted", formatSize(steps.afterBoot)],
      ["all memory is plugged", formatSize(steps.most)],
    ],
  );
  print("");
  await printTable(
    [
      { head: "table of" },
      { head: "bus address" },
      { head: "page", align: "right" },
      { head: "locked", align: "right" },
    ],
    tables.map(({ owner, busOffset, pageShift, bytes }) => [
      owner,
      hex64(busOffset),
      formatSize(2 ** pageShift),
      formatSize(bytes),
    ]),
  );
  const kib = (bytes: bigint): bigint => (bytes + 1023n) / 1024n;
  print(`\nulimit -l ${kib(steps.most)}`);
  print(`<memtune><hard_limit unit='KiB'>${kib(steps.most + QEMU_BYTES)}</hard_limit></memtune>`);
}

export const verb: Verb = defineVerb({
  name: "plan",
  summary: "foretell the DMA windows of a machine's guest, and what they cost the host",
  arguments: [["[file]", `the machine: ${MACHINE_FILE}`]],
  options: [
    text("--kernel <version>", "kernel of the guest: 6.1, 6.12, 7.2, or a whole version"),
    text("--container <version>", "version of the host's sPAPR container")
      .choices(["v1", "v2"])
      .default("v2"),
    flag(
      "--pass-through",
      "a device of the host is behind every bridge, not only where the machine has vfio-pci",
    ),
    text("--qemu <version>", "version of QEMU, where the description does not say it: 7.2, 11.1"),
    text("--from <log>", "instead of a machine: explain what a guest's kernel log says of its windows"),
    ...answerOptions(),
  ],
  examples: [
    "plan command-line.txt --kernel 6.12 --pass-through",
    "plan /proc/1234/cmdline --kernel 7.2 --output json",
    "plan --from dmesg.txt",
  ],
  run: plan,
});
