import { FINDING_KINDS } from "../../check/findings/kinds.ts";
import { errorAt, type Located, type LocatedMembers } from "../../formats/located.ts";
import type { MachineDescription, MachineStep } from "../../formats/machine/machine-description.ts";
import { MACHINE_SHAPE, MACHINE_STEP_KINDS, type OwnStep } from "../../formats/machine/machine-shape.ts";
import { MachineSteps, machineOfDocument, placeOf } from "../../formats/machine/own-machine.ts";
import {
  choice,
  flag,
  list,
  object,
  optional,
  required,
  type Shape,
  size,
  tagged,
  text,
  whole,
} from "../../formats/shapes.ts";
import { MAX_PHB_INDEX } from "../../spapr/papr.ts";
import { type Bound, type ExpectStep, METRICS, type Metric, type Story, type StoryStep } from "./story.ts";

const MAX_BUFFERS = 200_000;
const MAX_DRIVEN = 20_000;
const MAX_GROUPS = 256;
const MAX_STEPS = 200;

const name = text(/^[A-Za-z][A-Za-z0-9-]*$/, "a name of letters, digits and -");
const bytes: Shape<number> = numeric(size(1n << 40n, 1n, 1n));
const address: Shape<number> = numeric(size(1n << 50n));

function numeric(shape: Shape<bigint>): Shape<number> {
  return { read: (at) => Number(shape.read(at)), schema: shape.schema };
}

const MACHINE: Shape<MachineDescription> = {
  read(at) {
    const machine = machineOfDocument(at);
    if (machine.steps.length > 0)
      throw errorAt(placeOf(at, ["steps"]), "steps of a machine: those of the story are meant to be");
    return machine;
  },
  schema: MACHINE_SHAPE.schema,
};

const BOUND = "^(?:[<>]=?) ?[0-9]+(?:\\.[0-9]+)?$";
const bound: Shape<Bound> = {
  read(at) {
    const { value } = at;
    if ((typeof value === "bigint" || typeof value === "number") && value >= 0 && value < Infinity)
      return { relation: "=", value: Number(value) };
    const match = typeof value === "string" ? /^([<>]=?) ?([0-9]+(?:\.[0-9]+)?)$/.exec(value) : null;
    if (match === null)
      throw errorAt(at.place, 'expected a number, or a comparison such as "> 0" or "<= 21"');
    return { relation: match[1] as Bound["relation"], value: Number(match[2]) };
  },
  schema: {
    anyOf: [
      { type: "number", minimum: 0 },
      { type: "string", pattern: BOUND },
    ],
  },
};

const texts = list(text(), 20);
const METRIC_MEMBERS = Object.fromEntries(
  Object.entries(METRICS).map(([metric, about]) => [metric, optional(bound, about)]),
);
const kinds = list(choice(Object.keys(FINDING_KINDS), "kind of finding"), 30);
const EXPECT_SHAPE = object("expect", {
  ...METRIC_MEMBERS,
  log: optional(texts, "texts that are in the guest's kernel log"),
  noLog: optional(texts, "texts that are not in it"),
  findings: optional(kinds, "all kinds of what check finds in QEMU's trace so far"),
  guestFindings: optional(kinds, "all kinds of what it finds in Linux's trace of all drive steps so far"),
});

const expect: Shape<Omit<ExpectStep, "kind">> = {
  read(at) {
    const { log, noLog, findings, guestFindings, ...numbers } = EXPECT_SHAPE.read(at) as Readonly<
      Record<"log" | "noLog" | "findings" | "guestFindings", readonly string[] | undefined>
    > &
      Readonly<Record<Metric, Bound | undefined>>;
    const given = Object.entries(numbers).filter(([, value]) => value !== undefined);
    return {
      numbers: Object.fromEntries(given) as NonNullable<ExpectStep["numbers"]>,
      ...(log === undefined ? {} : { log }),
      ...(noLog === undefined ? {} : { noLog }),
      ...(findings === undefined ? {} : { findings }),
      ...(guestFindings === undefined ? {} : { guestFindings }),
    };
  },
  schema: EXPECT_SHAPE.schema,
};

const device = required(name, "id of a device of the machine, or name of one that was passed through");
const buffers = required(name, "name of buffers");
const bridge = whole(0, MAX_PHB_INDEX);

const STEP_SHAPE: Shape<{ readonly kind: string }> = tagged("step", {
  ...MACHINE_STEP_KINDS,
  boot: object("boot", {}),
  map: object("map", {
    device,
    as: required(name, "name of the buffers, by which other steps know them"),
    buffers: required(whole(1, MAX_BUFFERS), "how many"),
    size: required(bytes, "bytes of each"),
    direction: optional(
      choice(["to-device", "from-device", "bidirectional"], "direction"),
      "who reads and writes; default bidirectional",
    ),
    at: optional(address, "physical address of the first; default: where memory is free"),
    coherent: optional(flag, "dma_alloc_coherent; default: streaming maps"),
  }),
  unmap: object("unmap", {
    buffers,
    every: optional(whole(1, MAX_BUFFERS), "only each n-th, beginning with the first"),
  }),
  use: object("use", { buffers, device: optional(name, "default: the one they were mapped for") }),
  traffic: object("traffic", {
    device,
    operations: required(whole(1, MAX_BUFFERS), "buffers that are mapped, used and unmapped"),
    sizes: required(list(bytes, 20, 1), "bytes of a buffer; the seed picks"),
    live: optional(whole(1, MAX_BUFFERS), "buffers that are mapped at a time; default 32"),
    leaks: optional(whole(1, MAX_BUFFERS), "each n-th buffer is never unmapped"),
    freesEarly: optional(whole(1, MAX_BUFFERS), "each n-th is unmapped before the device uses it"),
  }),
  drive: object("drive", {
    device,
    driver: required(
      choice(["network", "block", "gpu"], "driver"),
      "what the device is: network, block or gpu",
    ),
    operations: required(whole(1, MAX_DRIVEN), "packets, requests or copies"),
    leaks: optional(whole(1, MAX_BUFFERS), "in one of so many maps: the unmap is forgotten"),
    freesEarly: optional(whole(1, MAX_BUFFERS), "likewise: unmapped before the device has done with it"),
    wrongDirection: optional(whole(1, MAX_BUFFERS), "likewise: mapped for the other direction"),
    outside: optional(whole(1, MAX_BUFFERS), "likewise: the device gets an address behind the window"),
  }),
  "remove-window": object("remove-window", { bridge: required(bridge, "index of the bridge") }),
  "pass-through": object("pass-through", {
    as: required(name, "name of the device; of several the beginning of their names"),
    group: required(whole(0, MAX_GROUPS - 1), "IOMMU group of the first"),
    bridge: required(bridge, "index of the bridge"),
    count: optional(whole(1, MAX_GROUPS), "how many; default 1"),
  }),
  "take-away": object("take-away", { device }),
  migrate: object("migrate", {}),
  switch: object("switch", {}),
  expect,
} as Readonly<Record<string, Shape<object>>>);

const FILE = {
  title: required(text(), "a line"),
  summary: required(text(/^[^\n]{1,190}$/, "a text of at most 190 characters"), "what it shows, for lists"),
  about: required(text(), "the trouble, why it comes about, and what helps; paragraphs"),
  machine: required(MACHINE, "the machine"),
  otherMachine: optional(MACHINE, "another machine on the same host"),
  host: optional(
    object("a host", {
      groups: optional(whole(1, MAX_GROUPS), "IOMMU groups, with a device each; default 2"),
      container: optional(choice(["spapr-v1", "spapr-v2"], "container"), "default spapr-v2"),
    }),
    "a host below the machines, whose devices can be passed through",
  ),
  eeh: optional(
    flag,
    "a refused DMA freezes its device's endpoint, as on POWER, and the guest recovers it (drive); default false",
  ),
  seed: optional(whole(0, 2 ** 31 - 1), "what chance depends on; default 1"),
  steps: required(list(STEP_SHAPE, MAX_STEPS), "what happens, in this order; with what is expected"),
  mutation: optional(
    object("a mutation", {
      about: required(text(), "what is different, as in: TITLE, but ..."),
      step: required(whole(1, MAX_STEPS), "number of the step that is replaced, from 1"),
      by: optional(STEP_SHAPE, "what comes in its place; default: nothing"),
    }),
    "a change with which the story must fail",
  ),
};
const STORY_FILE = object("a story", FILE);

/**
 * The JSON Schema of a story's file.
 *
 * @public
 */
export const STORY_SCHEMA: Readonly<Record<string, unknown>> = STORY_FILE.schema;

/**
 * The story of a document.
 *
 * @param storyName its name, which is its file's without the ending
 * @throws IommuError BAD_FILE with file, line and column of the first mistake
 * @public
 */
export function storyOfDocument(document: Located, storyName: string): Story {
  const { steps, about, host, mutation, seed, ...file } = STORY_FILE.read(document);
  const machines = [file.machine, ...(file.otherMachine === undefined ? [] : [file.otherMachine])];
  const readers = machines.map((machine) => new MachineSteps(machine));
  let at = 0;
  const toStep = (step: { readonly kind: string }, place: string): StoryStep => {
    if (step.kind === "switch") {
      if (machines.length < 2) throw errorAt(place, "switch: there is no other machine");
      at = 1 - at;
    }
    if (!(step.kind in MACHINE_STEP_KINDS)) return step as StoryStep;
    return readers[at]!.read(step as OwnStep, place) satisfies MachineStep;
  };
  const read = steps.map((step, i) => toStep(step, placeOf(document, ["steps", i])));
  if (read.every(({ kind }) => kind !== "expect"))
    throw errorAt(placeOf(document, ["steps"]), "the story expects nothing: a step must be an expect");
  if (mutation !== undefined && mutation.step > read.length)
    throw errorAt(
      placeOf(document, ["mutation", "step"]),
      `there is no step ${mutation.step}: the story has ${read.length}`,
    );
  const changed = mutation?.by;
  return {
    name: storyName,
    ...file,
    about: paragraphs(about),
    host:
      host === undefined ? undefined : { groups: host.groups ?? 2, container: host.container ?? "spapr-v2" },
    seed: seed ?? 1,
    steps: read,
    mutation:
      mutation === undefined
        ? undefined
        : {
            about: mutation.about,
            step: mutation.step,
            by: changed === undefined ? undefined : mutationStep(changed, machines[0]!, document),
          },
  };
}

/** A step of a mutation stands in the place of another one: what that one speaks of may be there already. */
function mutationStep(
  step: { readonly kind: string },
  machine: MachineDescription,
  document: Located,
): StoryStep {
  if (!(step.kind in MACHINE_STEP_KINDS)) return step as StoryStep;
  return new MachineSteps(machine).read(step as OwnStep, placeOf(document, ["mutation", "by"]));
}

const paragraphs = (about: string): string[] =>
  about
    .trim()
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replace(/\s*\n\s*/g, " ").trim());

/** Is a document a story? One that has neither steps nor a title is something else. */
export const isStoryDocument = ({ value }: Located): boolean =>
  value instanceof Map && ["title", "steps"].some((member) => (value as LocatedMembers).has(member));
