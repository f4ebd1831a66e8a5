# Run by samara_embed: bytes as numbers, since a string literal may not be longer than 4095 characters in ISO C.
file(READ ${SOURCE} digits HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${digits}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n    "
       bytes "${bytes}")
get_filename_component(name ${SOURCE} NAME)
file(WRITE ${MADE} "/* made from ${name} by cmake/embed.cmake */\nextern const char ${SYMBOL}[];\nconst char ${SYMBOL}[] = {\n    ${bytes}0};\n")
