import { describe, expect, it } from "vitest";
import { corpusNames, smallCorpusNames } from "../helpers/corpus.ts";
import { some } from "../helpers/some.ts";
import { BOOTS, compareBoot, NOT_FOLLOWED } from "./recorded-boots.ts";

/** All others are in recorded-boots.long.test.ts. */
const SMALL = BOOTS.filter(([kind, name]) => smallCorpusNames(kind, ".log.gz").includes(name));

describe("Linux as a guest", () => {
  it.each(some(SMALL, 5).filter(([, name]) => !(name in NOT_FOLLOWED)))(
    "sets up its windows as recorded: %s, %s",
    (kind, name) => {
      const { comparison } = compareBoot(kind, name);
      expect(comparison.difference).toBeUndefined();
      expect(comparison.compared).toBe(comparison.expected);
      expect(comparison.compared).toBeGreaterThan(30);
    },
  );

  it.each([
    "default-1g-nvme-e1000-linux72",
    "kexec-nvme-e1000-linux72",
    "masks-ten-phbs-maskdev-linux612",
    "memory-hotplug-dimm-nvme-e1000-linux72",
    "refused-window-nvdimm-nvme-e1000-linux72",
    "two-phbs-virtio-e1000-linux61",
  ])("says what the recorded kernel said: %s", (name) => {
    const { log, recordedLog } = compareBoot("traces", name);
    expect(log).toEqual(recordedLog);
    expect(log.length).toBeGreaterThan(2);
  });

  it.each(corpusNames("boots", ".log.gz"))("says what the recorded kernel said: %s", (name) => {
    const { log, recordedLog } = compareBoot("boots", name);
    expect(log).toEqual(recordedLog);
  });

  it.each(SMALL.filter(([, name]) => name in NOT_FOLLOWED))("is not followed: %s, %s", (kind, name) => {
    const { comparison } = compareBoot(kind, name);
    expect(comparison.difference, NOT_FOLLOWED[name]).toBeDefined();
  });

  it("says where it stops, and counts what it does not compare", () => {
    const { comparison, model } = compareBoot("traces", "vfio-in-guest-nvme-linux72");
    expect(model.notFollowed).toEqual([expect.stringMatching(/^a device is given to VFIO in the guest/)]);
    expect(comparison.difference).toBeUndefined();
    expect(comparison.compared).toBe(36);
    expect(comparison.notCompared).toBeGreaterThan(100);
  });
});
