import { type Ledger } from '@portolan/store'
export declare function ledgerConformance(open: () => Ledger | Promise<Ledger>): void
