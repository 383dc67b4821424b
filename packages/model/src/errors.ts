/**
 * Errors of the model package: one class, stable codes, one catalogue line per code.
 *
 * A bad file, a bad configuration or a bad token id is ordinary traffic: it is refused with the offending
 * value in the message and as facts on the error. Codes never change meaning; `docs/reference/errors.md`
 * is generated from this catalogue. `kind` uses the words that the doors know.
 */

/** One line of the catalogue. `summary` says what happened and why, `remedy` what to do about it. */
export interface ModelErrorEntry {
  readonly kind: 'invalid-request' | 'context-length' | 'unprocessable' | 'not-found' | 'internal'
  readonly summary: string
  readonly remedy: string
}

export const modelErrors = {
  MODEL_CONFIG_UNREADABLE: {
    kind: 'unprocessable',
    summary: 'The model configuration is missing or is not a JSON object.',
    remedy: 'Point at a folder whose config.json is the one published with the checkpoint.',
  },
  MODEL_CONFIG_FIELD: {
    kind: 'unprocessable',
    summary: 'A configuration field is missing, has the wrong type, or describes a model that cannot exist.',
    remedy: 'Correct the field named in the message; the message states the value found and the allowed range.',
  },
  MODEL_NOT_SUPPORTED: {
    kind: 'unprocessable',
    summary: 'The configuration is valid but asks for a mechanism that this implementation does not have.',
    remedy: 'Use a checkpoint of a supported architecture; the message names the mechanism.',
  },
  MODEL_FILE_MISSING: {
    kind: 'not-found',
    summary: 'A file that the checkpoint needs does not exist or cannot be read.',
    remedy: 'Download the checkpoint again; the message names the file.',
  },
  MODEL_FILE_TRUNCATED: {
    kind: 'unprocessable',
    summary: 'A weight file ends before the bytes that its header promises.',
    remedy: 'Download the file again and compare its size with the published one.',
  },
  MODEL_HEADER: {
    kind: 'unprocessable',
    summary: 'The header of a weight file is not valid: its length, its JSON or one of its entries is wrong.',
    remedy: 'The file is damaged or is not a safetensors file; download it again.',
  },
  MODEL_TENSOR_OVERLAP: {
    kind: 'unprocessable',
    summary: 'Two tensors of a weight file claim the same bytes, or bytes between tensors belong to none.',
    remedy: 'The file was written by a faulty tool; take it from its publisher again.',
  },
  MODEL_INDEX: {
    kind: 'unprocessable',
    summary: 'The shard index and the shards disagree about which file holds which tensor.',
    remedy: 'Download index and shards of the same revision.',
  },
  MODEL_TENSOR_MISSING: {
    kind: 'unprocessable',
    summary: 'The configuration needs a tensor that no file holds.',
    remedy: 'Check that every shard is present and that config.json belongs to these weights.',
  },
  MODEL_TENSOR_SURPLUS: {
    kind: 'unprocessable',
    summary: 'The files hold a tensor that the configuration gives no place to.',
    remedy: 'Check that config.json belongs to these weights.',
  },
  MODEL_TENSOR_SHAPE: {
    kind: 'unprocessable',
    summary: 'A tensor has another shape than the configuration implies.',
    remedy: 'Check that config.json belongs to these weights.',
  },
  MODEL_TENSOR_DTYPE: {
    kind: 'unprocessable',
    summary: 'A tensor is stored in a number format that its place does not allow.',
    remedy: 'Convert the checkpoint to one of the formats named in the message.',
  },
  MODEL_TENSOR_VALUE: {
    kind: 'unprocessable',
    summary: 'A tensor holds a value that cannot be: NaN, or an expert number outside the table.',
    remedy: 'The file is damaged; download it again.',
  },
  MODEL_SCALE: {
    kind: 'unprocessable',
    summary: 'A block scale is NaN, infinite or not positive, so the block it belongs to has no value.',
    remedy: 'The file is damaged; download it again.',
  },
  MODEL_TOKEN: {
    kind: 'invalid-request',
    summary: 'A token id is not an integer inside the vocabulary.',
    remedy: 'Encode the text with the tokenizer of this checkpoint.',
  },
  MODEL_CONTEXT: {
    kind: 'context-length',
    summary: 'The sequence would grow beyond the positions that the model was made for.',
    remedy: 'Shorten the prompt or the requested output.',
  },
  MODEL_STATE: {
    kind: 'internal',
    summary: 'A snapshot or sequence state does not belong to this model or was damaged.',
    remedy: 'Discard the snapshot and compute the prefix again.',
  },
  MODEL_TOKENIZER: {
    kind: 'unprocessable',
    summary: 'The tokenizer file is damaged, incomplete or of a kind that would lose bytes of the text.',
    remedy: 'Use the tokenizer.json published with the checkpoint; the message names what is wrong with this one.',
  },
  MODEL_ENCODING_TEXTS: {
    kind: 'unprocessable',
    summary: 'The fixed prompt texts of the checkpoint are missing or are not those of a known revision.',
    remedy: "Restore the checkpoint's encoding folder, or place an encoding.json of our format beside config.json.",
  },
  MODEL_ENCODING_REQUEST: {
    kind: 'invalid-request',
    summary: 'The conversation cannot be written in the way this checkpoint was trained to read.',
    remedy: 'Correct the message or setting named in the error.',
  },
  MODEL_SAMPLING: {
    kind: 'invalid-request',
    summary: 'A sampling setting is outside its allowed range.',
    remedy: 'Correct the setting named in the message; the message states the allowed range.',
  },
  MODEL_LOGITS: {
    kind: 'internal',
    summary: 'The scores of the next token hold NaN, or no token is left to choose.',
    remedy: 'The weights or the computation are damaged, or a constraint forbids every token.',
  },
} as const satisfies Record<string, ModelErrorEntry>

export type ModelErrorCode = keyof typeof modelErrors

/** Facts of one error, for machines; the sentence for people is the message. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | null | readonly (string | number)[]>>

export class ModelError extends Error {
  readonly code: ModelErrorCode
  readonly kind: ModelErrorEntry['kind']
  readonly facts: ErrorFacts

  constructor(code: ModelErrorCode, message: string, facts: ErrorFacts = {}, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ModelError'
    this.code = code
    this.kind = modelErrors[code].kind
    this.facts = facts
  }
}
