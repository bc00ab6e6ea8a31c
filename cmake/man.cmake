# The manual pages: man/PAGE.SECTION.in, filled by man/page.awk with what the program of that name says to --help, and with
# docs/configuration.md. The package sets SOURCE_DATE_EPOCH, so that a page's date is the package's.
string(TIMESTAMP date "%B %d, %Y" UTC)
string(REPLACE " 0" " " date "${date}")
set(page_script ${PROJECT_SOURCE_DIR}/man/page.awk)
set(page_configuration ${PROJECT_SOURCE_DIR}/docs/configuration.md)
file(GLOB includes CONFIGURE_DEPENDS man/*.inc)
file(GLOB templates CONFIGURE_DEPENDS man/*.in)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/man)
set(pages)
foreach(template ${templates})
    cmake_path(GET template STEM LAST_ONLY page) # heimdexctl.1
    cmake_path(GET page STEM LAST_ONLY program)
    cmake_path(GET page EXTENSION LAST_ONLY section)
    string(SUBSTRING ${section} 1 -1 section)
    set(page ${CMAKE_BINARY_DIR}/man/${page})
    set(help /dev/null)
    if(TARGET ${program})
        set(help ${CMAKE_BINARY_DIR}/man/${program}.help)
        add_custom_command(OUTPUT ${help} COMMAND ${program} --help > ${help} DEPENDS ${program} VERBATIM)
    endif()
    add_custom_command(
        OUTPUT ${page}
        COMMAND awk -v "date=${date}" -v version=${PROJECT_VERSION} -f ${page_script} ${help} ${page_configuration} ${template} > ${page}
        DEPENDS ${page_script} ${page_configuration} ${template} ${includes} ${help}
        COMMENT "Writing ${page}"
        VERBATIM)
    list(APPEND pages ${page})
    install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
add_custom_target(man ALL DEPENDS ${pages})
