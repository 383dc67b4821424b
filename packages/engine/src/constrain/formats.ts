/**
 * Formats of strings that can be held to, as patterns. Narrower than the RFCs where those allow rarities: addresses
 * without quoted parts, IPv6 without abbreviation, no leap seconds, years of four digits.
 */
const year = '\\d{4}'
const leapYear = '(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)'
const date = `(?:${year}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))|${leapYear}-02-29)`
const time = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)'
const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?'
const octet = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'

export const formatPatterns: Readonly<Record<string, string>> = {
  date: `^${date}$`,
  time: `^${time}$`,
  'date-time': `^${date}T${time}$`,
  email: `^[a-zA-Z0-9_+-]+(?:\\.[a-zA-Z0-9_+-]+){0,4}@(?:${label}\\.){1,4}[a-zA-Z]{2,24}$`,
  hostname: `^${label}(?:\\.${label}){0,3}$`,
  ipv4: `^${octet}(?:\\.${octet}){3}$`,
  ipv6: '^[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){7}$',
  uuid: '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$',
}
