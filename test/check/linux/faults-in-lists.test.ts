import { describe, expect, it } from "vitest";
import { checkTrace } from "../checked.ts";

const DEVICE = "0000:00:03.0";
const LIST =
  "dir=TO_DEVICE dma_addrs={0x100000,0x900000,0x500000} sizes={0x1000,0x2000,0x1000} phys_addrs={0x21000,0x22000,0x24000} attrs=";
const UNMAP = "dir=TO_DEVICE phys_addrs={0x21000,0x22000,0x24000} attrs=";

const lines = (...events: string[]): string =>
  events.map((event, i) => ` nvme-8 [000] d..1. 5.00000${i}: ${event}\n`).join("");
const fault = (address: number): string =>
  `io_page_fault: IOMMU:nic ${DEVICE} iova=0x${address.toString(16).padStart(16, "0")} flags=0x0020`;

const faultsOf = async (...events: string[]): Promise<(string | undefined)[]> =>
  (await checkTrace(lines(...events))).findings
    .filter(({ kind }) => kind === "io-fault")
    .map(({ message }) => message);

describe("a fault in a list of several ranges", () => {
  it.each([
    { range: "first", address: 0x10_0010, byte: "0x10" },
    { range: "second, in its second page", address: 0x90_1010, byte: "0x2010" },
    { range: "last", address: 0x50_0fff, byte: "0x3fff" },
  ])("is one of the list where that is mapped: $range", async ({ address, byte }) => {
    const [message, ...more] = await faultsOf(`dma_map_sg: ${DEVICE} ${LIST}`, fault(address));
    expect(more).toEqual([]);
    expect(message).toContain(`byte ${byte} of a list of 16384 bytes TO_DEVICE at 0x100000`);
  });

  it("is one of what was unmapped after that", async () => {
    const [message] = await faultsOf(
      `dma_map_sg: ${DEVICE} ${LIST}`,
      `dma_unmap_sg: ${DEVICE} ${UNMAP}`,
      fault(0x90_1010),
    );
    expect(message).toMatch(/after its unmap by event 1/);
  });

  it.each([0x50_1000, 0x90_2000])("is none of it behind the end of a range: %i", async (address) => {
    const [message] = await faultsOf(`dma_map_sg: ${DEVICE} ${LIST}`, fault(address));
    expect(message).not.toMatch(/byte 0x[0-9a-f]+ of a list/);
  });

  it("finds the list that is there after others came and went", async () => {
    const other =
      "dir=TO_DEVICE dma_addrs={0x200000,0x900000} sizes={0x1000,0x1000} phys_addrs={0x31000,0x32000} attrs=";
    const [first, second] = await faultsOf(
      `dma_map_sg: ${DEVICE} ${LIST}`,
      fault(0x50_0000),
      `dma_unmap_sg: ${DEVICE} ${UNMAP}`,
      `dma_map_sg: ${DEVICE} ${other}`,
      fault(0x90_0000),
    );
    expect(first).toMatch(/made by event 0 /);
    expect(second).toMatch(/byte 0x1000 of a list of 8192 bytes .* made by event 2 /);
  });
});
