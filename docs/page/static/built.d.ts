// What docs/page/build.py writes into built.js.
export declare const ENGINE: string;
export declare const FILES: { name: string; size: number }[];
export declare const PYTHON: string;
export declare const FACTS: string;
export declare const LOCK: object;
export declare const RELEASES: [string, string][];
export declare const EXAMPLES: { words: string; name: string; text: boolean; file: string }[];
