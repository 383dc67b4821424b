/** A request that the copied supplier would refuse. */
export interface Violation {
  /** Index of the recorded request. */
  request: number
  protocol: string
  dialect: string
  /** Where in the body, as a JSON path without the leading dollar. */
  path: string
  /** The words the supplier answers with. */
  message: string
}

export type Finding = Pick<Violation, 'path' | 'message'>
