/* Byte-level BPE, as in GPT-2: the symbols are bytes, written in vocabularies as printable letters. */
#include "model/tokenizer/tokenizer_internal.h"

#include "base/text.h"
#include "model/tokenizer/unicode.h"

#include <string.h>

/* Bytes that print stand for themselves; the n-th of the other 68 is the code point 256 + n. */
uint32_t sam_byte_letter(uint8_t byte)
{
    if ((byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad))
        return byte;
    if (byte <= ' ')
        return 256u + byte;
    return byte == 0xad ? 256u + 67 : 256u + 33 + (byte - 127u);
}

static void emit_byte_token(sam_encoding *encoding, uint32_t token)
{
    if (token == SAM_NO_TOKEN)
        token = encoding->tokenizer->symbol_unknown;
    if (token != SAM_NO_TOKEN)
        sam_token_list_put(&encoding->out, token);
}

/* The token that a whole piece is, or SAM_NO_TOKEN. */
static uint32_t token_of_piece(sam_encoding *encoding, const char *piece, size_t length)
{
    sam_buffer_clear(&encoding->letters);
    for (size_t i = 0; i < length; i++) {
        char letter[4];
        sam_put_bytes(&encoding->letters, letter, sam_utf8_encode(sam_byte_letter((uint8_t)piece[i]), letter));
    }
    if (encoding->letters.failed)
        return SAM_NO_TOKEN;
    uint32_t token = sam_vocabulary_find(&encoding->tokenizer->vocabulary, (const char *)encoding->letters.bytes,
                                         encoding->letters.length);
    bool plain = token != SAM_NO_TOKEN && encoding->tokenizer->vocabulary.tokens[token].kind == SAM_TOKEN_NORMAL;
    return plain ? token : SAM_NO_TOKEN;
}

static sam_status encode_piece(sam_encoding *encoding, const char *piece, size_t length, sam_error *err)
{
    const sam_tokenizer *tokenizer = encoding->tokenizer;
    uint32_t whole = tokenizer->ignore_merges ? token_of_piece(encoding, piece, length) : SAM_NO_TOKEN;
    if (whole != SAM_NO_TOKEN) {
        sam_token_list_put(&encoding->out, whole);
        return SAM_OK;
    }
    sam_symbols *symbols = &encoding->symbols;
    sam_status status = sam_symbols_begin(symbols, length, err);
    if (status != SAM_OK)
        return status;
    for (size_t i = 0; i < length; i++)
        sam_symbols_add(symbols, tokenizer->byte_tokens[(uint8_t)piece[i]], i);
    sam_merges_apply(&tokenizer->merges, symbols);
    for (uint32_t i = 0; i != SAM_NO_SYMBOL; i = symbols->items[i].next)
        emit_byte_token(encoding, symbols->items[i].token);
    return SAM_OK;
}

/* The text as the pieces are cut from it: in NFC, or with a space before it, where the model wants that. */
static sam_status normalize(sam_encoding *encoding, const char **text, size_t *length, bool first, sam_error *err)
{
    const sam_tokenizer *tokenizer = encoding->tokenizer;
    bool prefix = sam_wants_space_prefix(tokenizer, *text, *length, first);
    if (!tokenizer->nfc && !prefix)
        return SAM_OK;
    sam_buffer_clear(&encoding->normal);
    if (prefix)
        sam_put_text(&encoding->normal, " ");
    if (tokenizer->nfc)
        sam_unicode_nfc(*text, *length, &encoding->normal);
    else
        sam_put_bytes(&encoding->normal, *text, *length);
    if (encoding->normal.failed)
        return sam_fail(err, SAM_NO_MEMORY, "no memory to normalize a text of %zu bytes", *length);
    *text = (const char *)encoding->normal.bytes;
    *length = encoding->normal.length;
    return SAM_OK;
}

sam_status sam_bpe_encode(sam_encoding *encoding, const char *text, size_t length, bool first, sam_error *err)
{
    sam_status status = normalize(encoding, &text, &length, first, err);
    sam_pieces pieces = sam_pieces_of(&encoding->tokenizer->pretokenizer, text, length);
    size_t start = 0, size = 0;
    while (status == SAM_OK && sam_pieces_next(&pieces, &start, &size))
        status = encode_piece(encoding, text + start, size, err);
    return status;
}

/* The bytes that the letters stand for; a text with a character outside the alphabet stands for itself. */
void sam_bpe_decode(const sam_tokenizer *tokenizer, const sam_token *token, sam_buffer *text)
{
    size_t before = text->length;
    for (size_t at = 0; at < token->length;) {
        uint32_t point;
        at += sam_unicode_next(token->text + at, token->length - at, &point);
        if (point >= SAM_LETTERS_END || tokenizer->byte_of_letter[point] < 0) {
            text->length = before;
            sam_put_bytes(text, token->text, token->length);
            return;
        }
        sam_put_u8(text, (uint8_t)tokenizer->byte_of_letter[point]);
    }
}
