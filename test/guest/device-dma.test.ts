import { describe, expect, it } from "vitest";
import { readMachine } from "../../src/formats/machine/read-machine.ts";
import { INDIRECT, PUT, STUFF } from "../../src/formats/trace/trace-event.ts";
import { TraceSource } from "../../src/formats/trace/trace-source.ts";
import { DeviceDma } from "../../src/guest/device-dma.ts";
import { LinuxMachine } from "../../src/lab/linux-machine.ts";
import { readCorpus, readSidecar } from "../helpers/corpus.ts";

const hex = (value: bigint | number): string => value.toString(16);
const ERROR = "ffffffffffffffff";

/** Puts, lists and clears that are not of a whole window, as `liobn ioba tce pages`. */
function recordedCalls(name: string): string[] {
  const calls: string[] = [];
  const source = new TraceSource(name, {
    qemu: ({ kind, liobn, iobaHi, iobaLo, tceHi, tceLo, lastLo, pagesLo }) => {
      const ioba = (BigInt(iobaHi) << 32n) | BigInt(iobaLo);
      const tce = (BigInt(tceHi) << 32n) | BigInt(tceLo);
      if (kind === PUT) calls.push(`put ${hex(liobn)} ${hex(ioba)} ${hex(tce)}`);
      else if (kind === INDIRECT) calls.push(`list ${hex(liobn)} ${hex(ioba)} ${hex(tce)} ${lastLo + 1}`);
      else if (kind === STUFF && pagesLo < 512) calls.push(`clear ${hex(liobn)} ${hex(ioba)} ${pagesLo}`);
    },
    linux: () => {},
    gap: () => {},
  });
  source.push(readCorpus("traces", `${name}.log`));
  source.end();
  return calls;
}

/** What a small driver did with each device: maps, allocations and a resource, and what it got (as it printed it). */
describe.each(["masks-ten-phbs-maskdev-linux612", "masks-ten-phbs-maskdev-linux72"])(
  "the DMA API of %s",
  (name) => {
    const sidecar = readSidecar("traces", name);
    const said = (sidecar.guest_dmesg as string[])
      .map((line) => line.replace(/^\[ *[\d.]+\] /, ""))
      .filter((line) => /: maskdev: (map|coherent|resource) /.test(line));
    const calls: string[] = [];
    const machine = readMachine(JSON.stringify(sidecar), name)!;
    const model = new LinuxMachine(
      { ...machine, steps: [] },
      {
        trace: (event) => {
          if (event.name === "spapr_iommu_pci_put")
            calls.push(`put ${hex(event.liobn)} ${hex(event.ioba)} ${hex(event.tce)}`);
          else if (event.name === "spapr_iommu_pci_indirect")
            calls.push(`list ${hex(event.liobn)} ${hex(event.ioba)} ${hex(event.tce)} ${event.last + 1n}`);
          else if (event.name === "spapr_iommu_pci_stuff" && event.pages < 512n)
            calls.push(`clear ${hex(event.liobn)} ${hex(event.ioba)} ${event.pages}`);
        },
      },
    );
    model.run();
    const { guest } = model;
    const answers: string[] = [];
    const questions = [...said];
    for (const step of machine.steps) {
      if (step.kind !== "set-masks") continue;
      const fn = guest.functions.find(({ name: own }) => own === step.address)!;
      if (step.streaming !== undefined) guest.setMask(fn, step.streaming);
      if (step.coherent !== undefined) guest.setCoherentMask(fn, step.coherent);
      const dma = new DeviceDma(guest, fn);
      // The lines up to the next load of the driver: a resource is last, and a map never follows an allocation.
      let previous = "";
      while (questions.length > 0 && questions[0]!.includes(step.address)) {
        const [, kind] = /maskdev: (\w+)/.exec(questions[0]!)!;
        if (kind === "map" && previous !== "" && previous !== "map") break;
        previous = kind!;
        answers.push(answerTo(dma, questions.shift()!));
      }
    }

    it("gives each device the recorded addresses and refusals", () => {
      expect(questions).toEqual([]);
      expect(answers).toEqual(said);
      expect(said.length).toBeGreaterThan(40);
    });

    it("makes the recorded calls, and no others", () => {
      expect(calls).toEqual(recordedCalls(name));
    });
  },
);

/** Does what a line says was done, and says what came of it. */
function answerTo(dma: DeviceDma, line: string): string {
  const map = /^(.* map (\w+) of (\w+) = )/.exec(line);
  if (map !== null) {
    const buffer = { physical: Number.parseInt(map[2]!, 16), size: Number.parseInt(map[3]!, 16) };
    const address = dma.map(
      buffer,
      line.includes(" of 2000 ") || line.includes(" of 8000 ") ? "to-device" : "from-device",
    );
    if (address !== undefined) dma.unmap(address, buffer.size);
    return address === undefined ? `${map[1]}${ERROR}, error -12` : `${map[1]}${hex(address)}, error 0`;
  }
  const coherent = /^(.* coherent (\w+) = )\w+ \(\w+, physical (\w+)\)/.exec(line);
  if (coherent !== null) {
    const buffer = { physical: Number.parseInt(coherent[3]!, 16), size: Number.parseInt(coherent[2]!, 16) };
    const address = dma.mapCoherent(buffer);
    if (address === undefined) return `${coherent[1]}0 (null, physical 0)`;
    dma.unmapCoherent(address, buffer.size);
    return `${coherent[1]}${hex(address)} (ok, physical ${coherent[3]})`;
  }
  const [, head, physical] = /^(.* resource (\w+) = )/.exec(line)!;
  const buffer = { physical: Number.parseInt(physical!, 16), size: 4096 };
  const address = dma.mapResource(buffer);
  if (address !== undefined) dma.unmapResource(address, buffer.size);
  return address === undefined ? `${head}${ERROR}, error -12` : `${head}${hex(address)}, error 0`;
}
