/**
 * The special tokens that DeepSeek-V4's chat format uses, with their ids in the published vocabulary.
 *
 * The bars are U+FF5C and the low line is U+2581, not ASCII. Ids are for reference and for tests: code asks
 * the loaded tokenizer, because models that we make keep the names but have a smaller vocabulary.
 * Left out: the legacy tool tokens, table and drawing tokens, which the V4 chat format never writes.
 */
export const specialTokens = {
  beginOfSentence: '<｜begin▁of▁sentence｜>',
  endOfSentence: '<｜end▁of▁sentence｜>',
  padding: '<｜▁pad▁｜>',
  fillHole: '<｜fim▁hole｜>',
  fillBegin: '<｜fim▁begin｜>',
  fillEnd: '<｜fim▁end｜>',
  user: '<｜User｜>',
  assistant: '<｜Assistant｜>',
  thinkStart: '<think>',
  thinkEnd: '</think>',
  dsml: '｜DSML｜',
  latestReminder: '<｜latest_reminder｜>',
  action: '<｜action｜>',
  query: '<｜query｜>',
  authority: '<｜authority｜>',
  domain: '<｜domain｜>',
  title: '<｜title｜>',
  readUrl: '<｜read_url｜>',
} as const

export type SpecialTokenName = keyof typeof specialTokens

/** Ids in the published V4 vocabulary of 129,280 entries. */
export const publishedSpecialIds: Readonly<Record<SpecialTokenName, number>> = {
  beginOfSentence: 0,
  endOfSentence: 1,
  padding: 2,
  fillHole: 128800,
  fillBegin: 128801,
  fillEnd: 128802,
  user: 128803,
  assistant: 128804,
  thinkStart: 128821,
  thinkEnd: 128822,
  dsml: 128825,
  latestReminder: 128828,
  action: 128829,
  query: 128830,
  authority: 128831,
  domain: 128832,
  title: 128836,
  readUrl: 128845,
}
