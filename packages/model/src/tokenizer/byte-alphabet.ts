/**
 * The byte alphabet of byte-level BPE: each of the 256 bytes as one printable character.
 *
 * Vocabulary entries and merges of a `tokenizer.json` are written in it. The 188 bytes that are printable in
 * Latin-1 (33-126, 161-172, 174-255) stand for themselves; the other 68 take U+0100 upwards in byte order.
 * Rules: the GPT-2 byte-level scheme that the Hugging Face `ByteLevel` pre-tokenizer uses.
 */

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
}

function buildCharacters(): string[] {
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++))
}

/** Character of each byte, by byte value. */
export const byteCharacters: readonly string[] = buildCharacters()

const bytesByCharacter: ReadonlyMap<string, number> = new Map(
  byteCharacters.map((character, byte) => [character, byte]),
)

/** The bytes a vocabulary entry stands for, or null when it holds a character outside the alphabet. */
export function bytesOfEntry(entry: string): Uint8Array | null {
  const bytes = new Uint8Array(entry.length)
  for (let i = 0; i < entry.length; i++) {
    const byte = bytesByCharacter.get(entry[i]!)
    if (byte === undefined) return null
    bytes[i] = byte
  }
  return bytes
}
