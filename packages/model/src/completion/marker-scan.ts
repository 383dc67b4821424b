/**
 * Finds the markers that divide a completion, in a text of which more may come.
 *
 * What could still become a marker is held back, so that no fragment of a tag ever reaches a reader.
 */

/** The marker that begins first; of several that begin together the longest. Null when none is complete. */
export function findMarker(
  text: string,
  markers: readonly string[],
): { readonly at: number; readonly marker: string } | null {
  let found: { at: number; marker: string } | null = null
  for (const marker of markers) {
    const at = text.indexOf(marker)
    if (at < 0) continue
    if (found === null || at < found.at || (at === found.at && marker.length > found.marker.length))
      found = { at, marker }
  }
  return found
}

/** Length of the longest end of `text` that is a beginning of a marker, or a split surrogate pair (1). */
export function heldBack(text: string, markers: readonly string[]): number {
  const longest = markers.reduce((most, marker) => Math.max(most, marker.length), 0)
  for (let at = Math.max(0, text.length - longest + 1); at < text.length; at++) {
    const first = text[at]!
    const rest = text.slice(at)
    if (markers.some((marker) => marker[0] === first && marker.startsWith(rest))) return text.length - at
  }
  return /[\ud800-\udbff]$/.test(text) ? 1 : 0
}
