import { describe, expect, it } from "vitest";
import { TraceCheck } from "../../src/check/trace-check.ts";
import { attachDisk, attachGpu, attachNetworkCard } from "../../src/guest/drivers/attach.ts";
import { NvmeStatus } from "../../src/guest/drivers/block-protocol.ts";
import { DmaLog } from "../../src/guest/drivers/dma-log.ts";
import type { DriverMistakes } from "../../src/guest/drivers/mistakes.ts";
import { type DriverMachineOptions, driverMachine, GIB, MIB } from "./driver-machine.ts";

const PACKETS = 400;

/** A guest whose every call and refused access is logged. */
function loggedMachine(mistakes: DriverMistakes | undefined, options?: DriverMachineOptions) {
  const made = driverMachine(options);
  const log = new DmaLog();
  const { faults, machine } = made;
  machine.memory.onDmaFault = (fault) => {
    faults.push(fault);
    log.refused(fault.who, fault);
  };
  return {
    ...made,
    log,
    options: { memory: made.memory, log, ...(mistakes === undefined ? {} : { mistakes }) },
  };
}

/** What `check` finds in a log, as kind and how often. */
function findingsOf(log: DmaLog): string[] {
  const check = new TraceCheck("driver.txt");
  check.push(new TextEncoder().encode(log.text));
  return [...new Set(check.end().findings.map(({ kind }) => kind))].sort();
}

/** Sends packets and takes the driver away: what stays mapped was forgotten. */
function network(mistakes?: DriverMistakes) {
  const made = loggedMachine(mistakes);
  const { guest, fn, options, mapped, log } = made;
  const { driver, device } = attachNetworkCard(guest, fn, options);
  driver.start();
  const packet = Uint8Array.from({ length: 1000 }, (_, i) => i & 255);
  for (let i = 0; i < PACKETS; i++) driver.send(packet);
  driver.stop();
  return { ...made, counts: device.counts, left: mapped(), found: findingsOf(log), driver };
}

/** STACK-INV-1 to 3 of docs/behaviour.md: each is broken by a mistake of a driver, and seen. */
describe("mistakes of a network driver", () => {
  it("makes none that is not asked for", () => {
    const { counts, left, found, faults } = network();
    expect(counts).toMatchObject({ sent: PACKETS, refused: 0 });
    expect({ left, found, faults }).toEqual({ left: 0, found: [], faults: [] });
  });

  it("leaks one map in ten", () => {
    const { counts, left, found, driver } = network({ leakEvery: 10 });
    expect(counts).toMatchObject({ sent: PACKETS, refused: 0 });
    const leaks = driver.dma.mistakes!.leaks;
    expect(leaks).toBe(Math.floor((PACKETS + 255) / 10));
    expect(left).toBe(leaks);
    expect(found).toEqual(["leak"]);
  });

  it("frees early: the card is refused (STACK-INV-3)", () => {
    const { counts, left, found, faults, driver } = network({ freesEarlyEvery: 10 });
    const early = driver.dma.mistakes!.freesEarly;
    // Of buffers for packets that come, which nobody fills here, the card does not know.
    expect(counts.refused).toBe(early - 25);
    expect(faults).toHaveLength(counts.refused);
    expect(faults[0]).toMatchObject({ reason: "unmapped", write: false });
    expect(left).toBe(0);
    expect(found).toContain("io-fault");
  });

  it("maps for the wrong direction: a write into what may be read only is refused (STACK-INV-2)", () => {
    const made = loggedMachine({ wrongDirectionEvery: 1 });
    const { guest, fn, options, faults } = made;
    const { driver, device } = attachNetworkCard(guest, fn, options);
    driver.start();
    expect(device.receive(new Uint8Array(100))).toBe(false);
    expect(faults).toMatchObject([{ reason: "read-only", write: true }]);
    driver.stop();
    expect(findingsOf(made.log)).toEqual(["direction-mismatch", "io-fault"]);
  });

  it("gives an address outside of all windows (STACK-INV-1)", () => {
    const { counts, left, found, faults, driver } = network({ outsideEvery: 50 });
    const outside = driver.dma.mistakes!.outside;
    expect(counts.refused).toBe(outside - 5);
    expect(new Set(faults.map(({ reason }) => reason))).toEqual(new Set(["outside"]));
    expect(left).toBe(0);
    expect(found).toEqual(["io-fault"]);
  });
});

describe("mistakes of a driver of a disk", () => {
  const disk = (mistakes: DriverMistakes) => {
    const made = loggedMachine(mistakes);
    const { driver } = attachDisk(made.guest, made.fn, made.options);
    driver.start();
    const buffers = [{ physical: made.memory.allocate(4 * 4096), size: 4 * 4096 }];
    const before = made.mapped();
    const results = Array.from({ length: 30 }, (_, i) =>
      i % 2 === 0 ? driver.write(i, buffers) : driver.read(i, buffers),
    );
    const left = made.mapped() - before;
    driver.stop();
    return { ...made, results, left, found: findingsOf(made.log) };
  };

  it.each([
    { name: "a leak", mistakes: { leakEvery: 10 }, failed: 0, left: 12, kinds: ["leak"] },
    {
      name: "a free that is early",
      mistakes: { freesEarlyEvery: 10 },
      failed: 3,
      left: 0,
      kinds: ["io-fault"],
    },
    // Nine of ten are reads: a disk that writes memory which is there to be read.
    {
      name: "a wrong direction",
      mistakes: { wrongDirectionEvery: 10 },
      failed: 3,
      left: 0,
      kinds: ["io-fault"],
    },
    { name: "an address outside", mistakes: { outsideEvery: 10 }, failed: 3, left: 0, kinds: ["io-fault"] },
  ])("shows $name", ({ mistakes, failed, left, kinds }) => {
    const run = disk(mistakes);
    expect(run.results.filter((result) => result === NvmeStatus.DATA_TRANSFER_ERROR)).toHaveLength(failed);
    expect(run.results.filter((result) => result === 0)).toHaveLength(30 - failed);
    expect(run.left).toBe(left);
    expect(run.faults.length > 0).toBe(failed > 0);
    for (const kind of kinds) expect(run.found).toContain(kind);
  });
});

describe("mistakes of a driver whose device reaches all memory directly", () => {
  it.each([
    { mistakes: { freesEarlyEvery: 1 }, result: "done" },
    { mistakes: { wrongDirectionEvery: 1 }, result: "done" },
    { mistakes: { leakEvery: 1 }, result: "done" },
    { mistakes: { outsideEvery: 1 }, result: "refused" },
  ])("are seen only where no window is: $mistakes", ({ mistakes, result }) => {
    const { guest, fn, options, faults } = loggedMachine(mistakes, { pageShift: "direct" });
    const { driver } = attachGpu(guest, fn, options);
    expect(driver.start()).toBe(true);
    expect(driver.copy(64 * MIB, GIB - MIB, MIB)).toBe(result);
    expect(faults.length > 0).toBe(result === "refused");
  });
});
