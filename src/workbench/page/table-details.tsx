import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";

/** A table behind a picture, which is made only while it is open: a closed one costs no picture anything. */
export function TableDetails({
  children,
}: {
  readonly children: () => ComponentChildren;
}): ComponentChildren {
  const isOpen = useSignal(false);
  return (
    <details
      class="table"
      open={isOpen.value}
      onToggle={({ currentTarget }) => {
        isOpen.value = currentTarget.open;
      }}
    >
      <summary>table</summary>
      {isOpen.value && children()}
    </details>
  );
}
