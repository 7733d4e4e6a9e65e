import { type Signal, signal } from "@preact/signals";
import { enter } from "./rooms.ts";
import type { Bench } from "./state.ts";

/** Are files held over the page? */
export const isOver: Signal<boolean> = signal(false);

const hasFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer?.types.includes("Files") === true;

/** Takes files that are dropped anywhere on the page, at any time. */
export function listenToDrops(bench: Bench): void {
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    isOver.value = true;
  });
  addEventListener("dragleave", ({ relatedTarget }) => {
    // Without a target the files have left the page, not one element for another.
    if (relatedTarget === null) isOver.value = false;
  });
  addEventListener("drop", (event) => {
    isOver.value = false;
    // A part of the page may have taken them itself.
    if (!hasFiles(event) || event.defaultPrevented) return;
    event.preventDefault();
    enter("recordings");
    bench.open([...(event.dataTransfer?.files ?? [])].map((file) => ({ name: file.name, data: file })));
  });
}
