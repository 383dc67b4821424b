import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { endUserForSupplier } from './end-user.ts'

describe('end user for a supplier', () => {
  it('is one pseudonym for all sessions of a person', () => {
    const of = (session: string): string =>
      endUserForSupplier(JSON.stringify({ device_id: 'd', account_uuid: 'a', session_id: session }))
    assert.equal(of('1'), of('2'))
    assert.match(of('1'), /^usr_[\w-]{27}$/)
    assert.notEqual(of('1'), endUserForSupplier('{"device_id":"e","account_uuid":"a","session_id":"1"}'))
  })

  it('understands the older spelling', () => {
    const older = 'user_0af3_account_11-22_session_'
    assert.equal(endUserForSupplier(`${older}aa-bb`), endUserForSupplier(`${older}cc-dd`))
  })

  it('leaves ids alone that callers chose themselves', () => {
    assert.equal(endUserForSupplier('customer-7'), 'customer-7')
    assert.equal(endUserForSupplier('{not json'), '{not json')
  })
})
