import { expect, it } from "vitest";
import {
  DMA_EVENT_NAMES,
  DMA_KINDS,
  DMA_LOST,
  DMA_MAP_PAGE,
  DMA_MAP_RESOURCE,
} from "../../../src/formats/trace/dma-kinds.ts";

it("kinds that code asks for by name have their places in the table", () => {
  expect(DMA_EVENT_NAMES[DMA_MAP_PAGE]).toBe("dma_map_page");
  expect(DMA_EVENT_NAMES[DMA_MAP_RESOURCE]).toBe("dma_map_resource");
  expect(DMA_LOST).toBe(DMA_KINDS.length);
});
