// Unpacks what the page carries compressed (DEFLATE, RFC 1951) and runs it, at once: what prints a page does not wait.
(function () {
  "use strict";
  var ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
  var LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
  var DISTANCE_EXTRA = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];

  // The smallest length or distance of each symbol: what the symbols before it cover, added up (RFC 1951, 3.2.5).
  function bases(extra, first) {
    var base = first;
    return extra.map(function (bits) { var from = base; base += 1 << bits; return from; });
  }
  var LENGTH_BASE = bases(LENGTH_EXTRA, 3), DISTANCE_BASE = bases(DISTANCE_EXTRA, 1);
  LENGTH_BASE[28] = 258;

  // A canonical Huffman code (3.2.2) as a table: at any `longest` bits to come, which symbol (<< 4) of how many bits.
  function codeOf(lengths) {
    var longest = Math.max.apply(null, lengths), table = new Uint16Array(1 << longest), word = 0;
    for (var length = 1; length <= longest; length++, word <<= 1) {
      for (var s = 0; s < lengths.length; s++) {
        if (lengths[s] !== length) { continue; }
        for (var reversed = 0, k = 0; k < length; k++) { reversed |= (word >> k & 1) << (length - 1 - k); }
        for (var at = reversed; at < table.length; at += 1 << length) { table[at] = s << 4 | length; }
        word++;
      }
    }
    return { longest: longest, table: table };
  }

  function filled(pairs) {
    return [].concat.apply([], pairs.map(function (p) { return new Array(p[0]).fill(p[1]); }));
  }
  var FIXED_LITERALS = codeOf(filled([[144, 8], [112, 9], [24, 7], [8, 8]])), FIXED_DISTANCES = codeOf(filled([[30, 5]]));

  function inflate(packed, size) {
    var out = new Uint8Array(size), end = 0, next = 0, held = 0, bitsHeld = 0;

    function hold(n) {
      for (; bitsHeld < n; bitsHeld += 8) { held |= packed[next++] << bitsHeld; }
    }

    function take(n) {
      hold(n);
      var value = held & ((1 << n) - 1);
      held >>>= n;
      bitsHeld -= n;
      return value;
    }

    function symbol(code) {
      hold(code.longest);
      var entry = code.table[held & ((1 << code.longest) - 1)];
      if (!entry) { throw new Error("the drawing library in this page is damaged"); }
      take(entry & 15);
      return entry >> 4;
    }

    function readCodes() {
      var literals = take(5) + 257, distances = take(5) + 1, given = take(4) + 4, lengths = new Array(19).fill(0);
      for (var i = 0; i < given; i++) { lengths[ORDER[i]] = take(3); }
      var code = codeOf(lengths), all = [];
      while (all.length < literals + distances) {
        var s = symbol(code), last = all[all.length - 1];
        var run = s < 16 ? [1, s] : s === 16 ? [3 + take(2), last] : s === 17 ? [3 + take(3), 0] : [11 + take(7), 0];
        for (var k = 0; k < run[0]; k++) { all.push(run[1]); }
      }
      return [codeOf(all.slice(0, literals)), codeOf(all.slice(literals))];
    }

    function block(literals, distances) {
      for (var s = symbol(literals); s !== 256; s = symbol(literals)) {
        if (s < 256) { out[end++] = s; continue; }
        var length = LENGTH_BASE[s - 257] + take(LENGTH_EXTRA[s - 257]), d = symbol(distances);
        var from = end - DISTANCE_BASE[d] - take(DISTANCE_EXTRA[d]);
        while (length--) { out[end++] = out[from++]; }
      }
    }

    for (var final = 0; !final;) {
      final = take(1);
      var kind = take(2);
      if (kind === 0) {
        next -= bitsHeld >> 3;
        held = bitsHeld = 0;
        var stored = packed[next] | packed[next + 1] << 8;
        out.set(packed.subarray(next + 4, next + 4 + stored), end);
        next += 4 + stored;
        end += stored;
      } else if (kind === 1) {
        block(FIXED_LITERALS, FIXED_DISTANCES);
      } else {
        block.apply(null, readCodes());
      }
    }
    return out;
  }

  var library = document.getElementById("library");
  var text = window.atob(library.textContent), packed = new Uint8Array(text.length);
  for (var i = 0; i < text.length; i++) { packed[i] = text.charCodeAt(i); }
  var script = document.createElement("script");
  script.textContent = new TextDecoder().decode(inflate(packed, Number(library.dataset.size)));
  document.head.appendChild(script);
})();
