import { useSignal } from "@preact/signals";
import type { ComponentChildren, ComponentType } from "preact";
import { useEffect } from "preact/hooks";

/** A part of the page that is loaded when it is first shown. */
export function Lazy({ load }: { readonly load: () => Promise<ComponentType> }): ComponentChildren {
  const part = useSignal<{ readonly Shown: ComponentType } | undefined>(undefined);
  const failure = useSignal("");
  useEffect(() => {
    load().then(
      (Shown) => {
        part.value = { Shown };
      },
      (error: Error) => {
        failure.value = error.message;
      },
    );
  }, [load, part, failure]);
  if (failure.value !== "") return <p role="alert">This part of the page does not load: {failure.value}</p>;
  return part.value === undefined ? <p class="empty">Loading…</p> : <part.value.Shown />;
}
