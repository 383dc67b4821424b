import { type KeyStore } from '@portolan/store'
export declare function keysConformance(open: () => KeyStore | Promise<KeyStore>): void
