/** Price files of a vendor that does not exist, for what no real one has done yet. */
export type Fields = Record<string, unknown>

/** A list price of 2 in, 4 out, 0.5 for hits, without an end. */
export const acmeList: Fields = {
  id: 'acme/m1/list',
  vendor: 'acme',
  model: 'm1',
  currency: 'USD',
  effective_from: '2026-01-01',
  effective_to: null,
  status: 'list',
  rates: { input: 2, output: 4, cache_read: 0.5 },
}

export function priceFileText(file: Fields): string {
  return JSON.stringify({ schema_version: 1, as_of: '2026-11-23', ...file })
}
