/** `portolan admin token rotate`. */
import { rotateAdminToken } from '../admin/token.ts'
import { json } from '../output.ts'
import { withData, type CommonOptions } from './open.ts'

export function rotateToken(options: CommonOptions): Promise<void> {
  return withData(options, ({ store }) => {
    const token = rotateAdminToken(store)
    console.log(
      options.json
        ? json({ token })
        : `${token}\n\nThis is the admin token as of now; the one before is refused. It is shown this once; keep it.`,
    )
  })
}
